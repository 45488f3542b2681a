import { z } from '@hono/zod-openapi'
import { formatTime } from '../../domain/time.ts'
import { DELIVERY_STATUSES, type DeliveryRecord, SEND_ERRORS } from '../../webhook-ports.ts'
import { EXAMPLE_EVENT_ID, eventId } from '../events/schemas.ts'
import {
  EXAMPLE_PAGINATION,
  EXAMPLE_REQUEST_ID,
  EXAMPLE_TIME,
  formatOrNull,
  pageParameters,
  pagination,
  requestId,
  timeOrNull,
  timestamp,
  uuidOf,
} from '../schemas.ts'
import { EXAMPLE_WEBHOOK_ID, webhookId } from '../webhooks/schemas.ts'

export const EXAMPLE_DELIVERY_ID = '019aa5b3-d1e2-7c4b-9f6a-5d8e7c2b1a09'

/** What a page's body may weigh, by the contract. */
export const MAX_PAGE_BYTES = 5_000_000

export const deliveryId = uuidOf("The delivery's id: a UUID of version 7, lower case.", EXAMPLE_DELIVERY_ID)
export const DeliveryParams = z.object({ delivery_id: deliveryId })

export const deliveryStatus = z.enum(DELIVERY_STATUSES).openapi({
  description:
    '`pending`: on its way, or tried again later; `delivered`: answered with 2xx; `dead`: every attempt failed; `held`: its webhook was switched off ' +
    'before it ended; `cancelled`: its event, webhook or replay is gone.',
  example: 'delivered',
})

const AttemptSchema = z
  .object({
    attempt: z.number().int().openapi({ description: '1 for the first.', example: 1 }),
    started_at: timestamp('When it began.'),
    duration_ms: z.number().openapi({ description: 'How long it took, in milliseconds.', example: 84 }),
    status_code: z.union([z.number().int(), z.null()]).openapi({ description: 'Of the answer; null without one.', example: 200 }),
    error: z.union([z.enum(SEND_ERRORS), z.null()]).openapi({ description: 'Why there was no answer; null with one.', example: null }),
    response_body: z.string().openapi({ description: "The first 4 kB of the answer's body, as text.", example: 'ok' }),
    response_truncated: z.boolean().openapi({ description: 'Whether the body was longer than what is shown.', example: false }),
    retry_reason: z
      .union([z.string(), z.null()])
      .openapi({ description: 'Why it is tried again: `status_503`, or the error; null where it is not.', example: null }),
  })
  .openapi('DeliveryAttempt')

export const deliveryFields = {
  delivery_id: deliveryId,
  webhook_id: webhookId,
  event_id: eventId,
  event_type: z.string().openapi({ description: "The event's type.", example: 'user.created' }),
  status: deliveryStatus,
  attempt_count: z.number().int().openapi({ description: 'How often it was tried.', example: 1 }),
  next_attempt_at: timeOrNull('When it is tried next; null unless pending, and while an attempt is under way.'),
  created_at: timestamp('When it was made.'),
  completed_at: timeOrNull('When it ended; null while pending.', EXAMPLE_TIME),
  replay_id: z
    .union([z.string(), z.null()])
    .openapi({ description: 'The replay that made it; null: the event itself did.', example: null }),
  attempts: z.array(AttemptSchema).openapi({ description: 'Oldest first.' }),
}

export const DeliverySchema = z.object(deliveryFields).openapi('Delivery')
export const SingleDeliverySchema = z.object({ ...deliveryFields, request_id: requestId }).openapi('SingleDelivery')

export const EXAMPLE_DELIVERY = {
  delivery_id: EXAMPLE_DELIVERY_ID,
  webhook_id: EXAMPLE_WEBHOOK_ID,
  event_id: EXAMPLE_EVENT_ID,
  event_type: 'user.created',
  status: 'delivered',
  attempt_count: 1,
  next_attempt_at: null,
  created_at: EXAMPLE_TIME,
  completed_at: EXAMPLE_TIME,
  replay_id: null,
  attempts: [
    {
      attempt: 1,
      started_at: EXAMPLE_TIME,
      duration_ms: 84,
      status_code: 200,
      error: null,
      response_body: 'ok',
      response_truncated: false,
      retry_reason: null,
    },
  ],
}

export const DeliveryPageQuery = z.strictObject({
  ...pageParameters('deliveries'),
  status: deliveryStatus.optional().openapi({ description: 'Only deliveries of this status.' }),
})

export const DeliveryPageSchema = z
  .object({ deliveries: z.array(DeliverySchema), pagination, request_id: requestId })
  .openapi('DeliveryPage')

export const EXAMPLE_DELIVERY_PAGE = { deliveries: [EXAMPLE_DELIVERY], pagination: EXAMPLE_PAGINATION, request_id: EXAMPLE_REQUEST_ID }

/** A delivery as every call shows it. */
export function presentDelivery(delivery: DeliveryRecord): z.input<typeof DeliverySchema> {
  return {
    delivery_id: delivery.deliveryId,
    webhook_id: delivery.webhookId,
    event_id: delivery.eventId,
    event_type: delivery.eventType,
    status: delivery.status,
    attempt_count: delivery.attemptCount,
    next_attempt_at: formatOrNull(delivery.nextAttemptAtUs),
    created_at: formatTime(delivery.createdAtUs),
    completed_at: formatOrNull(delivery.completedAtUs),
    replay_id: delivery.replayId,
    attempts: delivery.attempts.map((attempt) => ({
      attempt: attempt.attempt,
      started_at: formatTime(attempt.startedAtUs),
      duration_ms: attempt.durationMs,
      status_code: attempt.statusCode,
      error: attempt.error,
      response_body: attempt.responseBody,
      response_truncated: attempt.responseTruncated,
      retry_reason: attempt.retryReason,
    })),
  }
}

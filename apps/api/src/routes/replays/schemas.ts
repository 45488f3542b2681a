import { z } from '@hono/zod-openapi'
import type { NewReplayInput } from '../../domain/replays.ts'
import { formatTime, parseTime } from '../../domain/time.ts'
import { REPLAY_SELECTIONS, REPLAY_STATUSES, type ReplayRecord } from '../../webhook-ports.ts'
import { EXAMPLE_REQUEST_ID, EXAMPLE_TIME, formatOrNull, requestId, TIME_RULE, timeOrNull, timestamp, uuidOf } from '../schemas.ts'
import { filterOrNull } from '../webhooks/filter-schemas.ts'
import { EXAMPLE_WEBHOOK_ID, webhookId } from '../webhooks/schemas.ts'

export const EXAMPLE_REPLAY_ID = '019aa5b4-e2f3-7d5c-8a7b-6e9f8d3c2b1a'

export const replayId = uuidOf("The replay's id: a UUID of version 7, lower case.", EXAMPLE_REPLAY_ID)
export const ReplayParams = z.object({ replay_id: replayId })

const MAX_RATE = 1000

const DESCRIBED = {
  since: 'Events that were created at this time or later.',
  until: 'Events that were created at this time or earlier.',
  rate: 'Deliveries a second at the most.',
}

/** Rounded so that the bound stays inclusive. */
const timeInput = (description: string, round: 'up' | 'down') =>
  z
    .string()
    .transform((text, ctx) => {
      const us = parseTime(text, round)
      // Later than any clock says: what is beyond is not exact.
      if (us !== undefined) return Math.min(us, Number.MAX_SAFE_INTEGER)
      ctx.addIssue({ code: 'custom', message: TIME_RULE })
      return z.NEVER
    })
    .openapi({ type: 'string', description: `${description} ISO 8601; UTC without an offset; a bare date is its midnight.` })

export const ReplayInputSchema = z
  .strictObject({
    since: timeInput(DESCRIBED.since, 'up').openapi({ example: '2025-11-20T00:00:00Z' }),
    until: timeInput(`${DESCRIBED.until} Now, where it is left out or later.`, 'down')
      .nullable()
      .optional()
      .openapi({
        type: ['string', 'null'],
        example: '2025-11-21T00:00:00Z',
      }),
    filter: filterOrNull("What the events must be like beside the webhook's own patterns and filter.").optional(),
    status: z
      .enum(REPLAY_SELECTIONS)
      .nullable()
      .optional()
      .openapi({
        description:
          'Only events whose last delivery to the webhook so far ended so; `none`: without a delivery; `undelivered`: none of their deliveries ' +
          'was delivered, or there is none. Left out: all. Events with a pending delivery are on their way, and never replayed.',
        example: 'undelivered',
      }),
    rate: z
      .number()
      .refine((rate) => Number.isInteger(rate) && rate >= 1 && rate <= MAX_RATE, `must be a whole number from 1 to ${MAX_RATE}`)
      .nullable()
      .optional()
      .openapi({
        type: ['integer', 'null'],
        minimum: 1,
        maximum: MAX_RATE,
        description: `${DESCRIBED.rate} Left out: the webhook's \`rate_limit\`, or 50.`,
        example: 50,
      }),
    dry_run: z.boolean().optional().openapi({ description: 'Only counts the events; nothing is sent.', default: false }),
  })
  .openapi('ReplayInput')

/** The body in the domain's words. */
export function readReplay(body: z.output<typeof ReplayInputSchema>): NewReplayInput {
  return {
    sinceUs: body.since,
    untilUs: body.until ?? undefined,
    filter: body.filter ?? null,
    selection: body.status ?? null,
    rate: body.rate ?? undefined,
  }
}

const count = (description: string) => z.number().int().openapi({ description, example: 0 })

export const replayFields = {
  replay_id: replayId,
  webhook_id: webhookId,
  status: z.enum(REPLAY_STATUSES).openapi({
    description:
      '`running` until every delivery has ended: `completed`; `cancelled`: by a call, or since its webhook was deleted; `failed`: its webhook was switched off.',
    example: 'running',
  }),
  since: timestamp(DESCRIBED.since),
  until: timestamp(DESCRIBED.until),
  rate: z.number().int().openapi({ description: DESCRIBED.rate, example: 50 }),
  matched: count('How many events matched so far; all of them once it is completed.'),
  enqueued: count('How many deliveries it made so far.'),
  delivered: count('How many of them were delivered.'),
  dead: count('How many of them are dead.'),
  cancelled: count('How many of them were cancelled.'),
  created_at: timestamp('When it was started.'),
  completed_at: timeOrNull('When it ended; null while it runs.'),
}

export const ReplaySchema = z.object(replayFields).openapi('Replay')
export const SingleReplaySchema = z.object({ ...replayFields, request_id: requestId }).openapi('SingleReplay')

export const EXAMPLE_REPLAY = {
  replay_id: EXAMPLE_REPLAY_ID,
  webhook_id: EXAMPLE_WEBHOOK_ID,
  status: 'running',
  since: '2025-11-20T00:00:00.000000Z',
  until: EXAMPLE_TIME,
  rate: 50,
  matched: 0,
  enqueued: 0,
  delivered: 0,
  dead: 0,
  cancelled: 0,
  created_at: EXAMPLE_TIME,
  completed_at: null,
}
export const EXAMPLE_SINGLE_REPLAY = { ...EXAMPLE_REPLAY, request_id: EXAMPLE_REQUEST_ID }

/** A replay as every call shows it. */
export function presentReplay(replay: ReplayRecord): z.input<typeof ReplaySchema> {
  return {
    replay_id: replay.replayId,
    webhook_id: replay.webhookId,
    status: replay.status,
    since: formatTime(replay.sinceUs),
    until: formatTime(replay.untilUs),
    rate: replay.rate,
    matched: replay.matched,
    enqueued: replay.enqueued,
    delivered: replay.delivered,
    dead: replay.dead,
    cancelled: replay.cancelled,
    created_at: formatTime(replay.createdAtUs),
    completed_at: formatOrNull(replay.completedAtUs),
  }
}

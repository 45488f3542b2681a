/** Why a call on a webhook, a delivery or a replay is refused. */
import { ApiError } from '../errors.ts'
import type { DeliveryStatus, ReplayRecord, StoredWebhook } from '../webhook-ports.ts'
import { formatTime } from './time.ts'

export function webhookNotFound(webhookId: string): ApiError {
  return new ApiError('NOT_FOUND', 'There is no such webhook in this workspace.', {
    details: { webhook_id: webhookId, suggestion: 'Check the id; the list of webhooks has those of the workspace.' },
  })
}

export function deliveryNotFound(deliveryId: string): ApiError {
  return new ApiError('NOT_FOUND', 'There is no such delivery in this workspace.', {
    details: { delivery_id: deliveryId, suggestion: 'Check the id; deliveries are kept a day longer than their events.' },
  })
}

export function replayNotFound(replayId: string): ApiError {
  return new ApiError('NOT_FOUND', 'There is no such replay in this workspace.', {
    details: { replay_id: replayId, suggestion: "Check the id; the webhook's list of replays has those that are kept." },
  })
}

export function tooManyWebhooks(most: number): ApiError {
  return new ApiError('CONFLICT', `The workspace has ${most} webhooks, the most that one can have.`, {
    details: { limit: most, suggestion: 'Delete one that is not used any more, or give one more patterns.' },
  })
}

export function webhookInactive({ webhookId, disabledAtUs, disabledReason }: StoredWebhook): ApiError {
  return new ApiError('CONFLICT', 'The webhook is not active.', {
    details: {
      webhook_id: webhookId,
      current_status: 'inactive',
      disabled_at: disabledAtUs === null ? null : formatTime(disabledAtUs),
      disabled_reason: disabledReason,
      suggestion: 'Switch it on first: PUT it with `is_active: true`.',
    },
  })
}

export function retryRefused(deliveryId: string, status: DeliveryStatus, why: keyof typeof RETRY_REFUSALS): ApiError {
  const { message, suggestion } = RETRY_REFUSALS[why]
  return new ApiError('CONFLICT', message, { details: { delivery_id: deliveryId, current_status: status, suggestion } })
}

const RETRY_REFUSALS = {
  pending: {
    message: 'The delivery is pending: it is on its way, or will be tried again.',
    suggestion: 'Wait: `next_attempt_at` says when it is tried next.',
  },
  event_gone: {
    message: 'The event of the delivery is gone.',
    suggestion: 'Nothing is left to send: it was deleted, or has expired.',
  },
  webhook_gone: {
    message: 'The webhook of the delivery is gone.',
    suggestion: 'Nothing can be sent to it any more; a replay to another webhook sends the event there.',
  },
  inactive: {
    message: "The delivery's webhook is not active.",
    suggestion: 'Switch the webhook on first: PUT it with `is_active: true`.',
  },
}

export function replayEnded({ replayId, status, completedAtUs }: ReplayRecord): ApiError {
  return new ApiError('CONFLICT', 'The replay has ended.', {
    details: {
      replay_id: replayId,
      current_status: status,
      completed_at: completedAtUs === null ? null : formatTime(completedAtUs),
      suggestion: 'Nothing is left to cancel.',
    },
  })
}

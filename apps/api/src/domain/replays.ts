/** Replays: events of a span of time, sent to a webhook again. */
import type { Deps } from '../deps.ts'
import { validationError } from '../errors.ts'
import { newUuid } from '../uuid.ts'
import type { NewReplay, ReplayRecord, StoredWebhook } from '../webhook-ports.ts'
import { auditEntry, type ChangedBy, differences } from './audit.ts'
import { endDeliveries } from './end-deliveries.ts'
import { hint } from './hint.ts'
import { matchingEvents } from './replay-matches.ts'
import { formatTime } from './time.ts'
import { replayEnded, replayNotFound, webhookInactive } from './webhook-refusals.ts'
import { findWebhook } from './webhooks.ts'

export type ReplayDeps = Pick<Deps, 'store' | 'queue' | 'clock' | 'log'>

/** A replay to start, of the right form. */
export interface NewReplayInput extends Pick<NewReplay, 'sinceUs' | 'filter' | 'selection'> {
  /** Absent, or later than now: now. */
  untilUs: number | undefined
  /** Absent: the webhook's limit, or the default. */
  rate: number | undefined
}

const DEFAULT_RATE = 50
/** Events that a count looks at between two turns of others. */
const PAGE = 500

/**
 * Starts a replay; workers walk over its span and send.
 * @throws ApiError NOT_FOUND, CONFLICT when the webhook is not active, VALIDATION_ERROR for a span that ends before it begins
 */
export async function startReplay(
  deps: ReplayDeps,
  by: ChangedBy,
  workspaceId: string,
  webhookId: string,
  input: NewReplayInput,
): Promise<ReplayRecord> {
  const webhook = await findWebhook(deps, workspaceId, webhookId)
  const replay = newReplay(deps, webhook, input)
  if (!webhook.isActive) throw webhookInactive(webhook)
  const { sinceUs, untilUs, ...rest } = replay
  const told = { webhook_id: webhookId, since: formatTime(sinceUs), until: formatTime(untilUs), rate: rest.rate }
  const started = await deps.store.createReplay(
    replay,
    auditEntry(by, {
      workspaceId,
      action: 'replay.started',
      target: { type: 'replay', id: replay.replayId },
      changes: differences(null, { ...told, filter: rest.filter, status: rest.selection }),
    }),
  )
  await hint(deps, { type: 'replay', replayId: replay.replayId })
  return started
}

/**
 * How many events a replay would send now; nothing is stored.
 * @param signal ends the count, which reads all of the span, when nobody waits for it any more
 * @throws ApiError NOT_FOUND, VALIDATION_ERROR
 */
export async function countMatches(
  deps: Pick<Deps, 'store' | 'clock'>,
  workspaceId: string,
  webhookId: string,
  input: NewReplayInput,
  signal: AbortSignal,
): Promise<number> {
  const webhook = await findWebhook(deps, workspaceId, webhookId)
  const replay = newReplay(deps, webhook, input)
  let matched = 0
  let after: string | undefined
  do {
    const page = await matchingEvents(deps, replay, webhook, after, PAGE)
    matched += page.events.length
    after = page.next ?? undefined
  } while (after !== undefined && !signal.aborted)
  return matched
}

/** @throws ApiError NOT_FOUND */
export async function findReplay({ store }: Pick<Deps, 'store'>, workspaceId: string, replayId: string): Promise<ReplayRecord> {
  const replay = await store.getReplay(replayId)
  if (replay?.workspaceId !== workspaceId) throw replayNotFound(replayId)
  return replay
}

/**
 * Ends a replay; its deliveries that wait are cancelled.
 * @throws ApiError NOT_FOUND, CONFLICT when it has ended
 */
export async function cancelReplay(deps: ReplayDeps, by: ChangedBy, workspaceId: string, replayId: string): Promise<ReplayRecord> {
  const { webhookId } = await findReplay(deps, workspaceId, replayId)
  const audit = auditEntry(by, {
    workspaceId,
    action: 'replay.cancelled',
    target: { type: 'replay', id: replayId },
    changes: { status: { from: 'running', to: 'cancelled' } },
  })
  if (!(await deps.store.endReplay(replayId, 'cancelled', audit))) throw replayEnded(await findReplay(deps, workspaceId, replayId))
  await endDeliveries(deps, { webhookId, replayId }, 'cancelled')
  return findReplay(deps, workspaceId, replayId)
}

function newReplay({ clock }: Pick<Deps, 'clock'>, webhook: StoredWebhook, input: NewReplayInput): NewReplay {
  const nowUs = clock.nowUs()
  const untilUs = Math.min(input.untilUs ?? nowUs, nowUs)
  if (input.sinceUs > untilUs) {
    const suggestion = 'Send a `since` that is before `until`, and not in the future.'
    throw validationError([{ field: 'since', issue: `must not be after ${formatTime(untilUs)}, the end of the span`, suggestion }])
  }
  return {
    replayId: newUuid(nowUs),
    webhookId: webhook.webhookId,
    workspaceId: webhook.workspaceId,
    sinceUs: input.sinceUs,
    untilUs,
    filter: input.filter,
    selection: input.selection,
    rate: input.rate ?? webhook.rateLimit ?? DEFAULT_RATE,
  }
}

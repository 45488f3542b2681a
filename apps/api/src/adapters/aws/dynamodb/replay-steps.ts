import { randomUUID } from 'node:crypto'
import type { ReplayRecord, ReplayStore } from '../../../webhook-ports.ts'
import { chunksOf, TRANSACTION_WRITES } from './client.ts'
import { DELIVERY_EXTRA_US, type DynamoContext } from './context.ts'
import { cancelHeld } from './deliveries-of-event.ts'
import { newDeliveryRows, rowWrites, touchLanes } from './delivery-rows.ts'
import type { Item, Update, Write } from './notation.ts'
import { completeReplay, replayKey, runningReplayKey } from './replay-counts.ts'
import { isRunning, readReplay } from './replay-ends.ts'
import { type ReplayAttributes, replayOf } from './replay-item.ts'
import { webhookKey } from './webhook-item.ts'

/** Rows that are stored in one transaction; beside them there are the replay, its webhook, and the entry of a walk that ends. */
const ROWS = TRANSACTION_WRITES - 3
/** After this time without a further transaction of it, a step is taken over by whoever comes. */
const STEP_US = 30_000_000

type Step = Parameters<ReplayStore['advanceReplay']>[0]

/**
 * How a replay moves on. A step with more rows than a transaction takes is several: the first makes the step this caller's, each stores rows and counts
 * them, the last moves the position. So what is stored is counted at any time, and nothing is stored once the replay has ended or its webhook
 * is switched off. When the caller dies in between, the next one begins at the same position, from where the events with a stored row are not
 * replayed again.
 */
export function replaySteps(context: DynamoContext): ReplayStore['advanceReplay'] {
  const { dynamo, clock, commitClock } = context

  return async (step) => {
    const { replayId, deliveries, isWalked } = step
    const before = await readReplay(context, replayId)
    if (before === undefined || !isRunning(before, context) || (before.position ?? null) !== step.from || isTaken(before)) return undefined
    const { webhookId, stepToken: former, stepFromUs: fromUs = commitClock.next() } = before
    const webhook = await dynamo.get('webhooks', webhookKey(webhookId))
    if (webhook?.['isActive'] !== true) return undefined

    const { items, lanes } = await newDeliveryRows(context, deliveries, { seed: `${replayId}\n${step.from ?? ''}`, fromUs, toUs: fromUs })
    await touchLanes(context, lanes)
    const mayHaveHeld = webhook['offAtUs'] !== null && webhook['offAtUs'] + context.eventTtlUs + DELIVERY_EXTRA_US > clock.nowUs()
    const cancelHeldOf = async (rows: readonly Item[]) => {
      const eventIds = rows.map((row) => row['event'])
      if (mayHaveHeld) await cancelHeld(context, webhookId, eventIds, replayId)
    }
    const token = randomUUID()
    const chunks = items.length === 0 ? [[]] : chunksOf(items, ROWS)
    try {
      for (const [index, rows] of chunks.entries()) {
        const isLast = index === chunks.length - 1
        const owner = index === 0 ? former : token
        if (!(await store(step, webhookId, rows, { token, owner, fromUs, isLast }))) return undefined
        // Behind the rows that take their place: the other way round, a crash between would leave an event with neither.
        await cancelHeldOf(rows)
      }
    } catch (error) {
      if (chunks.length > 1) await letGo(replayId, token)
      throw error
    }
    if (isWalked) await completeReplay(context, replayId)
    return await advanced(replayId)
  }

  function isTaken({ stepEndsUs }: ReplayAttributes): boolean {
    const nowUs = clock.nowUs()
    return stepEndsUs !== undefined && stepEndsUs > nowUs && stepEndsUs <= nowUs + STEP_US
  }

  /** Whoever comes next need not wait. It is no harm when it fails: then they wait. */
  async function letGo(replayId: string, token: string): Promise<void> {
    const values = { zero: 0, token }
    const update = { update: 'SET stepEndsUs = :zero', condition: 'stepToken = :token', values }
    await dynamo.update('webhooks', replayKey(replayId), update).catch(() => undefined)
  }

  /** One transaction of a step. @returns false when the step is no longer the caller's to do */
  async function store(
    step: Step,
    webhookId: string,
    rows: readonly Item[],
    options: { token: string; owner: string | undefined; fromUs: number; isLast: boolean },
  ): Promise<boolean> {
    let left = rows
    for (;;) {
      const refusals = await dynamo.transact([
        moveWrite(step, left.length, options),
        { table: 'webhooks', check: webhookKey(webhookId), condition: 'isActive = :true', values: { true: true } },
        ...rowWrites(left),
        ...(options.isLast && step.isWalked ? [{ table: 'webhooks', remove: runningReplayKey(step.replayId) } satisfies Write] : []),
      ])
      if (refusals === undefined) return true
      const [replay, webhook, ...others] = refusals
      if (replay?.isRefused || webhook?.isRefused) return false
      // Of the step that was taken over: they are stored and counted.
      left = left.filter((_, index) => others[index]?.isRefused !== true)
    }
  }

  function moveWrite(
    { replayId, from, to, matched, isWalked }: Step,
    made: number,
    { token, owner, fromUs, isLast }: { token: string; owner: string | undefined; fromUs: number; isLast: boolean },
  ): Write {
    const nowUs = clock.nowUs()
    const counted = made === 0 ? '' : ', madeAtUs = :now'
    const update: Update = isLast
      ? {
          update: `SET #position = :to, isWalked = :isWalked${counted} ADD matched :matched, enqueued :made, #open :made REMOVE stepToken, stepEndsUs, stepFromUs`,
          values: { to, isWalked, matched },
        }
      : {
          update: `SET stepToken = :token, stepEndsUs = :ends, stepFromUs = :fromUs${counted} ADD enqueued :made, #open :made`,
          values: { token, ends: nowUs + STEP_US, fromUs },
        }
    return {
      table: 'webhooks',
      key: replayKey(replayId),
      update: update.update,
      condition: [
        '#status = :running',
        from === null ? 'attribute_not_exists(#position)' : '#position = :from',
        owner === undefined ? 'attribute_not_exists(stepToken)' : 'stepToken = :owner',
      ].join(' AND '),
      names: { status: 'status', position: 'position', open: 'open' },
      values: {
        ...update.values,
        made,
        running: 'running',
        ...(made > 0 && { now: nowUs }),
        ...(from !== null && { from }),
        ...(owner !== undefined && { owner }),
      },
    }
  }

  async function advanced(replayId: string): Promise<ReplayRecord | undefined> {
    const found = await readReplay(context, replayId)
    return found && replayOf(found, context)
  }
}

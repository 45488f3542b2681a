import { randomUUID } from 'node:crypto'
import type { Clock } from '../../../ports.ts'
import type { Dynamo } from './client.ts'
import { DynamoError } from './errors.ts'
import { lowestId } from './ids.ts'
import type { Item, Key } from './notation.ts'

/** Where the item is that says how far fan-out has come: `mark`, a place in the order of event ids. */
export const OUTBOX_KEY: Key = { pk: 'outbox', sk: '-' }

/** Before every event: where fan-out stands when the item is missing. */
const NO_MARK = lowestId(0)

/** So much earlier than the first server's clock the first mark is: more than any two clocks differ. */
const MARGIN_US = 3_600e6

/**
 * Has fan-out begin about now, where it has not begun yet. Called by whoever opens the store, before it writes any event: so the first mark is before all
 * events, and new tables have no past to be walked through.
 */
export async function beginOutbox(dynamo: Dynamo, clock: Clock): Promise<void> {
  const item = { ...OUTBOX_KEY, mark: lowestId(clock.nowUs() - MARGIN_US) }
  await dynamo.put('webhooks', item, { condition: 'attribute_not_exists(pk)' })
}

/** @param item of `OUTBOX_KEY` */
export const markOf = (item: Item | undefined): string => item?.['mark'] ?? NO_MARK

export async function readMark(dynamo: Dynamo): Promise<string> {
  return markOf(await dynamo.get('webhooks', OUTBOX_KEY))
}

/** Moves the mark if it is still there. @returns whether it was this call that moved it */
export async function moveMark(dynamo: Dynamo, from: string, to: string): Promise<boolean> {
  const nonce = randomUUID()
  const isThere = { condition: '#mark = :from', names: { mark: 'mark' }, values: { from } }
  const condition = from === NO_MARK ? { condition: 'attribute_not_exists(pk)' } : isThere
  try {
    return (await dynamo.put('webhooks', { ...OUTBOX_KEY, mark: to, nonce }, condition)).isDone
  } catch (error) {
    if (!(error instanceof DynamoError) || !error.isUncertain) throw error
    // The answer was lost: it tells whose mark it is.
    if ((await dynamo.get('webhooks', OUTBOX_KEY))?.['nonce'] === nonce) return true
    throw error
  }
}

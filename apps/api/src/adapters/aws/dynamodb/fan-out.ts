import { setTimeout as sleep } from 'node:timers/promises'
import type { OutboxStore } from '../../../webhook-ports.ts'
import type { DynamoContext } from './context.ts'
import { insertRows, newDeliveryRows, touchLanes } from './delivery-rows.ts'
import { timeOf } from './ids.ts'
import type { Item } from './notation.ts'
import { moveMark, readMark } from './outbox-mark.ts'
import { DELIVERY_INDEXES } from './tables.ts'

/** How long it waits for the index of what is due. Later than that, the sweep finds what was overlooked. */
const INDEX_MS = 500
const FIRST_WAIT_MS = 5

/**
 * Stores deliveries and then moves on. There may be more of them than one transaction takes, so their ids follow from the event and the webhook alone:
 * after a crash in between, and where two fan-outs are at it at once, the same rows are written, which is as good as once. So "nothing was written"
 * holds for what the mark shows to be late already; a rival in the very same moment may have stored deliveries that come with the next move.
 */
export function createFanOut(context: DynamoContext): OutboxStore['fanOut'] {
  const { dynamo } = context

  /**
   * Waits until the last row that was written is in the index that claims are found by: whoever is told of the lanes looks there, and what it does
   * not find it takes for nothing.
   */
  async function waitForIndex({ pk, sk, ...row }: Item): Promise<void> {
    const { lane, due } = row
    const endMs = performance.now() + INDEX_MS
    for (let waitMs = FIRST_WAIT_MS; performance.now() < endMs; waitMs *= 2) {
      const values = { lane, due }
      const { items } = await dynamo.query({
        table: 'deliveries',
        index: DELIVERY_INDEXES.due,
        where: '#lane = :lane AND #due = :due',
        names: { lane: 'lane', due: 'due' },
        values,
        limit: 1,
      })
      if (items.length > 0) return
      // Claimed already.
      if ((await dynamo.get('deliveries', { pk, sk }))?.['due'] !== due) return
      await sleep(waitMs, undefined, { ref: false })
    }
  }

  return async ({ from, to, deliveries }) => {
    const [fromUs, toUs] = [timeOf(from), timeOf(to)]
    const isMove = to > from || (to === from && deliveries.length === 0)
    // Deliveries without a move could be stored by two.
    if (!isMove || fromUs === undefined || toUs === undefined) throw new RangeError(`Fan-out moves on, not from ${from} to ${to}.`)
    if (deliveries.length === 0) return await moveMark(dynamo, from, to)
    if ((await readMark(dynamo)) !== from) return false
    const { items, lanes } = await newDeliveryRows(context, deliveries, { seed: 'live', fromUs, toUs })
    await touchLanes(context, lanes)
    await insertRows(context, items)
    const isMoved = await moveMark(dynamo, from, to)
    const last = items.at(-1)
    // The mark has moved: that the index cannot be asked is no failure of this.
    if (isMoved && last !== undefined) await waitForIndex(last).catch(() => undefined)
    return isMoved
  }
}

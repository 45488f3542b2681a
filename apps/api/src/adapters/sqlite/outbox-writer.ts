import type { DatabaseSync } from 'node:sqlite'
import { prepareAll } from './database.ts'
import type { InsertDeliveries } from './delivery-insert.ts'
import { OUTBOX_WRITES } from './outbox-sql.ts'
import type { DeliveryWriterCalls, InputOf } from './protocol.ts'

/** How the writer moves fan-out on: where two did the same work, one of them stores nothing. */
export function fanOutWriter(db: DatabaseSync, insertDeliveries: InsertDeliveries) {
  const sql = prepareAll(db, OUTBOX_WRITES)

  return ({ from, to, deliveries }: InputOf<DeliveryWriterCalls, 'fanOut'>): boolean => {
    const isMove = to > from || (to === from && deliveries.length === 0)
    // Deliveries without a move could be stored by two.
    if (!isMove) throw new RangeError(`Fan-out moves on, not from ${from} to ${to}.`)
    if (sql.advance.run(from, to).changes === 0) return false
    insertDeliveries(deliveries)
    return true
  }
}

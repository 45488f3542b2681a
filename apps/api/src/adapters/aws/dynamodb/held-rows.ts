import type { DeliveryRow } from './delivery-item.ts'
import { Handover } from './handover.ts'

/** Attempts of one that failed often weigh more than the request that they would save. */
const MAX_ATTEMPTS_BYTES = 10_000
const MAX_ROWS = 5000

/**
 * The rows that this process has claimed, as they are since. Who records what came of one need not read it before: the write's condition is that it is
 * still so.
 */
export function createHeldRows() {
  const rows = new Handover<DeliveryRow>(MAX_ROWS)
  return {
    /** @param row as it was before the claim */
    keep(row: DeliveryRow, heldUntilUs: number): void {
      if ((row.attempts?.length ?? 0) > MAX_ATTEMPTS_BYTES) return
      rows.keep(row.deliveryId, { ...row, dueAtUs: heldUntilUs, isHeld: true, ownEvent: null })
    },
    /** Gives it away, once; undefined: it is to be read. */
    take(deliveryId: string, heldUntilUs: number): DeliveryRow | undefined {
      const row = rows.take(deliveryId)
      return row?.dueAtUs === heldUntilUs ? row : undefined
    },
  }
}

export type HeldRows = ReturnType<typeof createHeldRows>

import type { Clock } from '../../../ports.ts'
import type { Lane } from '../../../webhook-ports.ts'
import { laneShard } from './delivery-item.ts'
import type { DuePlace } from './due-places.ts'
import { Handover } from './handover.ts'

/** Who claims again does so within moments; what was read longer ago is not worth believing. */
const KEPT_US = 300_000
const MAX_LANES = 1000

/**
 * What a claim has read of a lane's index beyond what it took, for the next claim of this process: a backlog is read once, not from its beginning for every few.
 * Each is still looked at in the table before it is claimed.
 */
export function createLeftPlaces(clock: Clock) {
  const lanes = new Handover<{ places: readonly DuePlace[]; atUs: number }>(MAX_LANES)
  const keyOf = (lane: Lane): string => laneShard(lane, 0)
  return {
    keep(lane: Lane, places: readonly DuePlace[]): void {
      if (places.length > 0) lanes.keep(keyOf(lane), { places, atUs: clock.nowUs() })
    },
    /** Gives them away: of two who claim at once, one has them. */
    take(lane: Lane): readonly DuePlace[] {
      const left = lanes.take(keyOf(lane))
      return left !== undefined && Math.abs(clock.nowUs() - left.atUs) < KEPT_US ? left.places : []
    },
  }
}

export type LeftPlaces = ReturnType<typeof createLeftPlaces>

import type { Lane } from '../../../webhook-ports.ts'
import { laneShard } from './delivery-item.ts'
import type { DuePlace } from './due-places.ts'

/** Who claims again does so within moments; what was read longer ago is not worth believing. */
const KEPT_MS = 300
const MAX_LANES = 1000

/**
 * What a claim has read of a lane's index beyond what it took, for the next claim of this process: a backlog is read once, not from its beginning for every few.
 * Each is still looked at in the table before it is claimed.
 */
export function createLeftPlaces() {
  const lanes = new Map<string, { places: readonly DuePlace[]; atMs: number }>()
  const keyOf = (lane: Lane): string => laneShard(lane, 0)
  return {
    keep(lane: Lane, places: readonly DuePlace[]): void {
      if (places.length === 0) return
      const [eldest] = lanes.keys()
      if (lanes.size >= MAX_LANES && eldest !== undefined) lanes.delete(eldest)
      lanes.set(keyOf(lane), { places, atMs: performance.now() })
    },
    /** Gives them away: of two who claim at once, one has them. */
    take(lane: Lane): readonly DuePlace[] {
      const left = lanes.get(keyOf(lane))
      lanes.delete(keyOf(lane))
      return left !== undefined && performance.now() - left.atMs < KEPT_MS ? left.places : []
    },
  }
}

export type LeftPlaces = ReturnType<typeof createLeftPlaces>

import type { Clock } from '../ports.ts'
import { networkOf } from './ip-address.ts'

const MINUTE_US = 60e6

export interface FailureLimit {
  /**
   * Counts a failed authentication from there.
   * @returns when it is beyond the limit of its network: at what time failures are counted anew
   */
  fail(address: string): { retryAtUs: number } | undefined
}

interface Failures {
  count: number
  endUs: number
}

/**
 * Guessing keys is limited for each IPv4 address or IPv6 /64, in minutes that begin with a first failure. Only failures are
 * counted: a valid key is never affected.
 *
 * The table is bounded; beyond, the networks that have not failed for the longest time are forgotten, and their counts begin
 * anew. Only who has more than `maxNetworks` networks (65,536 lie in an IPv6 /48) can bring that about, and gains more than
 * `perMinute` tries from each; that many networks already have a million tries a minute, while a key has 190 random bits. What
 * the limit is there for is the noise and the cost of guessing from few places, and short secrets that were imported.
 */
export function createFailureLimit(
  clock: Clock,
  { perMinute = 100, maxNetworks = 10_000 }: { perMinute?: number; maxNetworks?: number } = {},
): FailureLimit {
  /** The one that has not failed for the longest time first. */
  const networks = new Map<string, Failures>()

  /** A hundredth of them at once: a Map is slow to find its first entry after many were deleted. */
  function forgetOldest(): void {
    const kept = maxNetworks - Math.ceil(maxNetworks / 100)
    for (const network of networks.keys()) {
      if (networks.size <= kept + 1) return
      networks.delete(network)
    }
  }

  return {
    fail(address) {
      const network = networkOf(address)
      const nowUs = clock.nowUs()
      const known = networks.get(network)
      const isOver = known === undefined || nowUs >= known.endUs
      const count = isOver ? 1 : known.count + 1
      // More than a minute is left only after the clock stepped back: that forgives nothing, and makes nobody wait longer.
      const endUs = isOver ? nowUs + MINUTE_US : Math.min(known.endUs, nowUs + MINUTE_US)
      networks.delete(network)
      networks.set(network, { count, endUs })
      if (networks.size > maxNetworks) forgetOldest()
      return count > perMinute ? { retryAtUs: endUs } : undefined
    },
  }
}

import type { Clock } from '../ports.ts'

/** The machine's clock, in the steps of `performance.now()`, following adjustments of the wall clock. */
export const systemClock: Clock = {
  nowUs: () => {
    const wallMs = Date.now()
    // The high-resolution clock gives the microseconds while both agree; after a step of the wall clock it is set anew.
    const drift = wallMs - (origin + performance.now())
    if (Math.abs(drift) > 2) origin += drift
    return Math.floor((origin + performance.now()) * 1000)
  },
}

let origin = performance.timeOrigin

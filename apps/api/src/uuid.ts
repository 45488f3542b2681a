/** New UUIDs, as `uuid-time.ts` has them. Apart from it, as a storage thread that makes none does without the crypto module's memory. */
import { randomBytes } from 'node:crypto'
import { TAIL_BYTES, tailOf, uuidAt } from './uuid-time.ts'

/** A new one, lower case. @param us microseconds since the epoch */
export function newUuid(us: number): string {
  return uuidAt(us, randomTail())
}

const POOL_BYTES = 8192
let pool = randomBytes(POOL_BYTES)
let used = 0

/** 62 random bits behind the RFC's variant, as an id spells them. From a pool: to ask for eight bytes costs as much as for thousands. */
export function randomTail(): string {
  if (used === POOL_BYTES) {
    pool = randomBytes(POOL_BYTES)
    used = 0
  }
  used += TAIL_BYTES
  return tailOf(pool.subarray(used - TAIL_BYTES, used))
}

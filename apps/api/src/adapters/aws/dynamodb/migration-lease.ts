import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../../ports.ts'
import type { Dynamo } from './client.ts'
import type { Update } from './notation.ts'
import { SCHEMA_KEY } from './schema.ts'

/** A process that says nothing for so long is taken for dead; while it lives it says so often enough. */
const LEASE_US = 10_000_000
const BEAT_MS = 2000
const POLL_MS = 200

/** The right to change the tables: of one process at a time, for as long as it lives. */
export interface Lease {
  /** Writes into the item of the schema. @throws Error when another process has taken over */
  write(update: Update): Promise<void>
  /** Gives it back, if it still has it. */
  end(): Promise<void>
}

const LEASE_NAMES = { leaseHolder: 'leaseHolder', leaseUntilUs: 'leaseUntilUs' }

/**
 * Waits for the lease. That two processes never have it at once is not promised, since one may pause, or have a wrong clock: whatever is done
 * under it is such that it may be done twice.
 */
export async function takeLease(dynamo: Dynamo, clock: Clock, report: (line: string) => void): Promise<Lease> {
  const holder = randomUUID()
  const untilUs = () => clock.nowUs() + LEASE_US
  for (let isTold = false; ; ) {
    const nowUs = clock.nowUs()
    const taken = await dynamo.update(
      'keys',
      SCHEMA_KEY,
      {
        update: [
          'SET #leaseHolder = :holder, #leaseUntilUs = :untilUs',
          '#version = if_not_exists(#version, :zero), #ready = if_not_exists(#ready, :none)',
        ].join(', '),
        // One that would hold for long after any that is given now is of a clock that was wrong.
        condition: 'attribute_not_exists(#leaseHolder) OR #leaseHolder = :holder OR #leaseUntilUs < :nowUs OR #leaseUntilUs > :never',
        names: { ...LEASE_NAMES, version: 'version', ready: 'ready' },
        values: { holder, untilUs: untilUs(), nowUs, never: nowUs + 10 * LEASE_US, zero: 0, none: {} },
      },
      true,
    )
    if (taken.isDone) break
    if (!isTold) report('Another migration is under way: waiting until it ends.')
    isTold = true
    await sleep(POLL_MS)
  }
  const write = async (update: Update): Promise<void> => {
    const written = await dynamo.update(
      'keys',
      SCHEMA_KEY,
      {
        ...update,
        condition: '#leaseHolder = :holder',
        names: { ...update.names, leaseHolder: 'leaseHolder' },
        values: { ...update.values, holder },
      },
      true,
    )
    if (!written.isDone)
      throw new Error('Another migration has taken over from this one, which had been silent for long. It goes on there.')
  }
  // Some work takes longer than the lease.
  const beat = setInterval(() => {
    const update = { update: 'SET #leaseUntilUs = :untilUs', names: { leaseUntilUs: 'leaseUntilUs' }, values: { untilUs: untilUs() } }
    // What came of it shows in the next write.
    write(update).catch(() => {})
  }, BEAT_MS).unref()
  return {
    write,
    async end() {
      clearInterval(beat)
      // Should it fail, the lease ends by itself.
      await write({ update: 'REMOVE #leaseHolder, #leaseUntilUs', names: LEASE_NAMES }).catch(() => {})
    },
  }
}

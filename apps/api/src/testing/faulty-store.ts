/** A store in tests whose DynamoDB fails as they want it to, and another one on the same tables that is spared. */
import { onTestFinished } from 'vitest'
import type { CreateResult, NewEvent, Store } from '../ports.ts'
import { StoreUnavailableError } from '../ports.ts'
import { type DynamodbProxy, startDynamodbProxy } from './dynamodb-proxy.ts'
import type { TestTables } from './dynamodb-tables.ts'
import { FakeClock } from './fake-clock.ts'

export interface FaultyStore {
  store: Store
  /** Another server with the same trouble. */
  twin: Store
  /** As a server sees it that is spared. */
  other: Store
  proxy: DynamodbProxy
  clock: FakeClock
  tablePrefix: string
  /** Lists show from now on what was created until now. */
  settle(): void
}

/** Of which half is for a write: longer than the slowest one of a busy machine, and than the time after which a call gives up. */
const SETTLE_MS = 12_000

/** Goes away with the test. */
export async function openFaultyStore(tables: TestTables, endpointUrl: string, settleMs = SETTLE_MS): Promise<FaultyStore> {
  const proxy = await startDynamodbProxy(endpointUrl, { countsUnits: false })
  const clock = new FakeClock()
  const { store, tablePrefix } = await tables.open({ endpointUrl: proxy.url, clock, settleMs })
  const { store: twin } = await tables.open({ endpointUrl: proxy.url, clock, settleMs, tablePrefix })
  const { store: other } = await tables.open({ clock, settleMs, tablePrefix })
  onTestFinished(async () => {
    await Promise.all([store.close(), twin.close(), other.close()])
    await proxy.close()
  })
  return { store, twin, other, proxy, clock, tablePrefix, settle: () => clock.advance({ us: (settleMs + 10) * 1000 }) }
}

/** What it comes to; a failure that is none of the port's fails the test. */
export async function attempt<Result>(act: () => Promise<Result>): Promise<Result | 'unavailable'> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof StoreUnavailableError) return 'unavailable'
    throw error
  }
}

/** One event of a test, and what its creation was answered with. */
export interface Written {
  event: NewEvent
  eventId: string | 'unavailable'
}

/** Creates them in one call. */
export async function write(store: Store, workspaceId: string, events: readonly NewEvent[]): Promise<Written[]> {
  const results = await attempt(() => store.createEvents(workspaceId, events))
  return events.map((event, index) => ({ event, eventId: results === 'unavailable' ? results : idOf(results[index]) }))
}

function idOf(result: CreateResult | undefined): string {
  if (result === undefined) throw new Error('A result is missing.')
  return 'eventId' in result ? result.eventId : result.outcome
}

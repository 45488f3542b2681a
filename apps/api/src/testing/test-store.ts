/** The store that the tests of a run are about: the embedded one, or with `TEST_STORE=dynamodb` that on DynamoDB and SQS. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openSqliteStore } from '../adapters/sqlite/store.ts'
import type { Config } from '../config.ts'
import type { Clock, RateLimiter, Store } from '../ports.ts'
import type { Queue } from '../webhook-ports.ts'
import type { FakeClock } from './fake-clock.ts'

const isOnDynamodb = process.env['TEST_STORE'] === 'dynamodb'

export interface TestStore {
  store: Store
  queue: Queue
  /** Undefined: the one of this process alone. */
  limiter: RateLimiter | undefined
  /** All that it has stored, as bytes; what is compressed there in the clear. */
  storedBytes(): Promise<Buffer[]>
}

export type OpenTestStore = (config: Pick<Config, 'dataDirectory' | 'eventTtlDays'>, clock: FakeClock) => Promise<TestStore>

const onSqlite: OpenTestStore = async ({ dataDirectory, eventTtlDays }, clock) => {
  const store = await openSqliteStore({ directory: dataDirectory, eventTtlDays, clock })
  const storedBytes = async () => readdirSync(dataDirectory).map((file) => readFileSync(join(dataDirectory, file)))
  return { store, queue: store.queue, limiter: undefined, storedBytes }
}

/** For the top of a file. The tables and the queue go away with it. */
async function onDynamodb(): Promise<OpenTestStore> {
  const [dynamodbUrl, sqsUrl] = [process.env['DYNAMODB_ENDPOINT_URL'], process.env['SQS_ENDPOINT_URL']]
  if (dynamodbUrl === undefined || sqsUrl === undefined)
    throw new Error('TEST_STORE=dynamodb needs a JDK, or servers that DYNAMODB_ENDPOINT_URL and SQS_ENDPOINT_URL name.')
  // The SDK takes time, which the other runs keep.
  const [{ testTables }, { scanAll }, { testQueues }] = await Promise.all([
    import('./dynamodb-tables.ts'),
    import('./stored-items.ts'),
    import('./sqs-queues.ts'),
  ])
  const tables = testTables(dynamodbUrl)
  const queues = testQueues(sqsUrl)
  return async ({ eventTtlDays }, clock) => {
    const { store, settleMs, tablePrefix } = await tables.open({ clock, eventTtlDays })
    // Lists show at once what was created: they are read by a clock that is a settling window ahead, and a second for the microseconds that events are apart.
    let aheadUs = (settleMs + 1000) * 1000
    const readClock: Clock = { nowUs: () => clock.nowUs() + aheadUs }
    const { store: reader } = await tables.open({ clock: readClock, eventTtlDays, tablePrefix })
    const { queue } = await queues.open()
    return {
      store: {
        ...store,
        listEvents: reader.listEvents,
        readOutbox(query) {
          // Fan-out moves on with the time, which passes between two looks.
          aheadUs += 1_000_000
          return reader.readOutbox(query)
        },
      },
      queue,
      limiter: store.limiter,
      storedBytes: () => scanAll(tables.dynamoOf(tablePrefix)),
    }
  }
}

/** For the top of a file, or of what it imports. */
export const testStores = async (): Promise<OpenTestStore> => (isOnDynamodb ? await onDynamodb() : onSqlite)

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Of a server in tests: long enough for the commits of a busy machine. */
const SETTLE_MS = 4000

const isOnDynamodb = () => process.env['TEST_STORE'] === 'dynamodb'

/**
 * What a server's environment has besides, so that it runs on the store that the tests of a run are about: nothing, or with
 * `TEST_STORE=dynamodb` what names that store. A data directory stands for tables and a queue of its own, so that servers with the same share these.
 */
export function storeEnvironment(dataDirectory: string): Record<string, string> {
  const { DYNAMODB_ENDPOINT_URL = '', SQS_ENDPOINT_URL = '' } = process.env
  if (!isOnDynamodb()) return {}
  const name = `test-${createHash('sha256').update(dataDirectory).digest('hex').slice(0, 16)}`
  return {
    STORE: 'dynamodb',
    DYNAMODB_ENDPOINT_URL,
    DYNAMODB_TABLE_PREFIX: `${name}-`,
    INBOX_SETTLE_MS: String(SETTLE_MS),
    SQS_ENDPOINT_URL,
    SQS_QUEUE_NAME: name,
    AUTH_MODE: 'local',
  }
}

const made = new Map<string, Promise<void>>()

/** Makes the tables and the queue as an operator does, for servers that do not make them: those with `AUTH_MODE=keys`. */
export async function makeStore(environment: Record<string, string>): Promise<void> {
  const { DATA_DIR = '', AUTH_MODE } = environment
  if (!isOnDynamodb() || AUTH_MODE !== 'keys') return
  const making = made.get(DATA_DIR) ?? makeTablesAndQueue(DATA_DIR)
  made.set(DATA_DIR, making)
  await making
}

async function makeTablesAndQueue(dataDirectory: string): Promise<void> {
  // Neither is loaded where the tests are about the embedded store.
  const [{ openDynamoStore }, { openSqsQueue }, { parseConfig }, { systemClock }] = await Promise.all([
    import('../adapters/aws/dynamodb/store.ts'),
    import('../adapters/aws/sqs-queue.ts'),
    import('../config.ts'),
    import('../adapters/system-clock.ts'),
  ])
  const config = parseConfig(storeEnvironment(dataDirectory))
  const queue = await openSqsQueue({ ...config.sqs, make: { maxReceives: 10 }, onForeignMessage: () => {} })
  await queue.close()
  const { eventTtlDays } = config
  const store = await openDynamoStore({ ...config.dynamodb, eventTtlDays, clock: systemClock, makeTables: true })
  await store.close()
}

/** Resolves when lists show all that servers have answered so far. */
export async function settled(): Promise<void> {
  if (isOnDynamodb()) await new Promise((resolve) => setTimeout(resolve, SETTLE_MS + 100))
}

/** All that servers on that directory have stored, as bytes: its files, and what is in their tables. */
export async function storedContent(dataDirectory: string): Promise<Buffer> {
  const files = readdirSync(dataDirectory).map((file) => readFileSync(join(dataDirectory, file)))
  if (!isOnDynamodb()) return Buffer.concat(files)
  const [{ createDynamo }, { scanAll }, { parseConfig }, { systemClock }] = await Promise.all([
    import('../adapters/aws/dynamodb/client.ts'),
    import('./stored-items.ts'),
    import('../config.ts'),
    import('../adapters/system-clock.ts'),
  ])
  const dynamo = createDynamo({ ...parseConfig(storeEnvironment(dataDirectory)).dynamodb, clock: systemClock })
  try {
    return Buffer.concat([...files, ...(await scanAll(dynamo))])
  } finally {
    dynamo.close()
  }
}

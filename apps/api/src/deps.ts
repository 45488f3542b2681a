import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import pino, { type Logger } from 'pino'
import { createHttpOut } from './adapters/http-out/http-out.ts'
import { readKeyFile, readOrMakeKeyFile } from './adapters/key-file.ts'
import { createRateLimiter } from './adapters/rate-limiter.ts'
import { openSqliteStore } from './adapters/sqlite/store.ts'
import { systemClock } from './adapters/system-clock.ts'
import type { Config } from './config.ts'
import { createFailureLimit } from './domain/failure-limit.ts'
import { trustedProxies } from './domain/ip-address.ts'
import { createKeyRing } from './domain/key-ring.ts'
import { isPlainDataKey, openVault, parseMasterKeys, type Vault } from './domain/vault.ts'
import { createWebhookRing, type WebhookRing } from './domain/webhook-ring.ts'
import { type Clock, type KeyRing, type RateLimiter, type Store, StoreUnavailableError } from './ports.ts'
import type { HttpOut, Queue } from './webhook-ports.ts'

/** All that the program is built from. Made once at start; a test swaps a part by spreading the object. */
export interface Deps {
  config: Config
  store: Store
  queue: Queue
  vault: Vault
  keys: KeyRing
  /** The way out to the receivers of webhooks. */
  httpOut: HttpOut
  webhooks: WebhookRing
  limiter: RateLimiter
  /** Failed authentications by address. */
  failures: ReturnType<typeof createFailureLimit>
  isTrustedProxy: (address: string) => boolean
  clock: Clock
  /** Makes a request id. */
  newRequestId: () => string
  log: Logger
}

/**
 * Picks the adapters, and opens the store.
 * @param options `hasJobs` false: the queue is not opened, and cannot be used
 * @throws Error in words for the operator
 */
export async function buildDeps(config: Config, { hasJobs = true } = {}): Promise<ReturnType<typeof depsOf>> {
  const log = logOf(config)
  const { store, limiter, ...opened } = await openStore(config)
  try {
    const vault = await openVaultOf(config, store)
    const queue = hasJobs ? (opened.queue ?? (await openSqs(config, log))) : NO_QUEUE
    return depsOf(config, store, queue, vault, systemClock, log, limiter)
  } catch (error) {
    await store.close()
    throw error
  }
}

/** The store, with the limiter that goes with it, and the queue that is a part of it, unless it is to be another. */
async function openStore(config: Config): Promise<{ store: Store; limiter: RateLimiter; queue?: Queue }> {
  const { eventTtlDays } = config
  if (config.store === 'sqlite') {
    const store = await openSqliteStore({ directory: config.dataDirectory, eventTtlDays, clock: systemClock })
    return { store, limiter: createRateLimiter(systemClock), ...(config.queue === 'sqlite' && { queue: store.queue }) }
  }
  // The SDK takes memory and time, which who does without DynamoDB keeps.
  const { openDynamoStore } = await import('./adapters/aws/dynamodb/store.ts')
  try {
    const options = { ...config.dynamodb, eventTtlDays, clock: systemClock, makeTables: config.authMode === 'local', guardClock: true }
    const store = await openDynamoStore(options)
    return { store, limiter: store.limiter }
  } catch (error) {
    throw error instanceof StoreUnavailableError ? new Error(`STORE=dynamodb cannot be used. ${error.message}`) : error
  }
}

const logOf = (config: Config): Logger => pino({ level: config.logLevel })

const noQueue = async (): Promise<never> => {
  throw new Error('There is no queue here.')
}

/** For the operator's commands, which have no jobs. */
const NO_QUEUE: Queue = {
  enqueue: noQueue,
  receive: noQueue,
  ack: noQueue,
  delay: noQueue,
  extend: noQueue,
  listDeadJobs: noQueue,
  close: async () => {},
}

/** As often as with the queue of the embedded store. */
const MAX_RECEIVES = 10

/** @throws Error in words for the operator */
async function openSqs(config: Config, log: Logger): Promise<Queue> {
  // The SDK takes memory and time, which who does without SQS keeps.
  const { openSqsQueue } = await import('./adapters/aws/sqs-queue.ts')
  try {
    return await openSqsQueue({
      ...config.sqs,
      make: config.authMode === 'local' ? { maxReceives: MAX_RECEIVES } : undefined,
      onForeignMessage: (messageId) => log.warn({ messageId }, 'a message in the queue is no job: it is left for the dead letters'),
    })
  } catch (error) {
    throw error instanceof StoreUnavailableError ? new Error(`QUEUE=sqs cannot be used. ${error.message}`) : error
  }
}

/**
 * The vault of the configured master keys, or of those in the key file, which is made with the first start.
 * @throws Error in words for the operator; in place of a key file that was lost none is made, since it would open nothing
 */
async function openVaultOf(config: Config, store: Store): Promise<Vault> {
  if (config.masterKeys !== undefined) return openVault(store, config.masterKeys)
  const directory = config.dataDirectory
  mkdirSync(directory, { recursive: true })
  const isEncrypted = (await store.listDataKeys()).some(({ key }) => !isPlainDataKey(key))
  if (isEncrypted && readKeyFile(directory) === undefined) {
    throw new Error(
      `The data ${config.store === 'sqlite' ? `in ${directory} ` : ''}is encrypted, and its encryption.key is missing${config.store === 'sqlite' ? '' : ` in ${directory}`}. Put the file back from your backup, or set ENCRYPTION_KEY as it was.`,
    )
  }
  const read = () => parseMasterKeys(readOrMakeKeyFile(directory))
  return openVault(store, read(), read)
}

/** The deps on a store that is open; a test's have a clock of their own. */
export function depsOf(
  config: Config,
  store: Store,
  queue: Queue,
  vault: Vault,
  clock: Clock,
  log = logOf(config),
  limiter: RateLimiter = createRateLimiter(clock),
) {
  return {
    config,
    store,
    queue,
    vault,
    keys: createKeyRing({
      store,
      vault,
      clock,
      defaultRateLimitPerMinute: config.rateLimitPerMinute,
      acceptDevelopmentKey: config.authMode === 'local',
    }),
    limiter,
    httpOut: createHttpOut({ ...config.webhooks, allowLoopback: config.authMode === 'local' }),
    webhooks: createWebhookRing({ store, vault }),
    failures: createFailureLimit(clock),
    isTrustedProxy: trustedProxies(config.trustedProxies),
    clock,
    newRequestId: randomUUID,
    log,
  } satisfies Deps
}

import { randomUUID } from 'node:crypto'
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
import type { Clock, KeyRing, RateLimiter, Store } from './ports.ts'
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
 * @throws Error in words for the operator
 */
export async function buildDeps(config: Config): Promise<ReturnType<typeof depsOf>> {
  const store = await openSqliteStore({ directory: config.dataDirectory, eventTtlDays: config.eventTtlDays, clock: systemClock })
  try {
    return depsOf(config, store, store.queue, await openVaultOf(config, store), systemClock)
  } catch (error) {
    await store.close()
    throw error
  }
}

/**
 * The vault of the configured master keys, or of those in the key file, which is made with the first start: behind the store, which makes
 * the directory.
 * @throws Error in words for the operator; in place of a key file that was lost none is made, since it would open nothing
 */
async function openVaultOf(config: Config, store: Store): Promise<Vault> {
  if (config.masterKeys !== undefined) return openVault(store, config.masterKeys)
  const directory = config.dataDirectory
  const isEncrypted = (await store.listDataKeys()).some(({ key }) => !isPlainDataKey(key))
  if (isEncrypted && readKeyFile(directory) === undefined) {
    throw new Error(
      `The data in ${directory} is encrypted, and its encryption.key is missing. Put the file back from your backup, or set ENCRYPTION_KEY as it was.`,
    )
  }
  const read = () => parseMasterKeys(readOrMakeKeyFile(directory))
  return openVault(store, read(), read)
}

/** The deps on a store that is open; a test's have a clock of their own. */
export function depsOf(config: Config, store: Store, queue: Queue, vault: Vault, clock: Clock) {
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
    limiter: createRateLimiter(clock),
    httpOut: createHttpOut({ ...config.webhooks, allowLoopback: config.authMode === 'local' }),
    webhooks: createWebhookRing({ store, vault }),
    failures: createFailureLimit(clock),
    isTrustedProxy: trustedProxies(config.trustedProxies),
    clock,
    newRequestId: randomUUID,
    log: pino({ level: config.logLevel }),
  } satisfies Deps
}

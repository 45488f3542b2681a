import { randomBytes, randomUUID } from 'node:crypto'
import pino, { type Logger } from 'pino'
import { developmentKeyRing } from './adapters/development-key.ts'
import { openSqliteStore } from './adapters/sqlite/store.ts'
import { systemClock } from './adapters/system-clock.ts'
import type { Config } from './config.ts'
import type { Clock, KeyRing, Store } from './ports.ts'

/** All that the program is built from. Made once at start; a test swaps a part by spreading the object. */
export interface Deps {
  config: Config
  store: Store
  keys: KeyRing
  clock: Clock
  /** Makes a request id. */
  newRequestId: () => string
  log: Logger
  /** Signs cursors; kept in the store, so that they outlive a restart. */
  cursorKey: Uint8Array
}

const CURSOR_KEY_BYTES = 32

/**
 * Picks the adapters, and opens the store.
 * @throws Error in words for the operator
 */
export async function buildDeps(config: Config): Promise<Deps> {
  const clock = systemClock
  const store = await openSqliteStore({ directory: config.dataDirectory, eventTtlDays: config.eventTtlDays, clock })
  const cursorKey = await store.dataKey('cursor', randomBytes(CURSOR_KEY_BYTES))
  return { config, store, keys: developmentKeyRing, clock, newRequestId: randomUUID, log: pino({ level: config.logLevel }), cursorKey }
}

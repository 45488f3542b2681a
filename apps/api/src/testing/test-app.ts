import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, onTestFinished } from 'vitest'
import { createHttpOut } from '../adapters/http-out/http-out.ts'
import { buildApp } from '../app.ts'
import { parseConfig } from '../config.ts'
import { type Deps, depsOf } from '../deps.ts'
import { openVault } from '../domain/vault.ts'
import { type Authentication, type KeyRing, type Principal, SCOPES, type Scope, type Store } from '../ports.ts'
import { checkAnswer } from './check-answer.ts'
import { FakeClock } from './fake-clock.ts'
import { principalWith } from './principal.ts'
import { testStores } from './test-store.ts'

export interface TestApp {
  deps: Deps
  clock: FakeClock
  /** A key of a workspace of its own; with every scope unless told. It is not in the store, and nothing else binds it unless told. */
  key(scopes?: readonly Scope[], workspaceId?: string, restrictions?: Restrictions): string
  /** All that is stored, as bytes; what is compressed there in the clear. */
  storedBytes(): Promise<Buffer[]>
  /** Asks the app, without a port. The answer has been held against the document. */
  request(path: string, init?: RequestOptions): Promise<TestAnswer>
}

export type Restrictions = Partial<Omit<Principal, 'workspaceId' | 'scopes'>>

export interface RequestOptions {
  method?: string
  key?: string | undefined
  headers?: Record<string, string>
  /** Sent as JSON; a string or bytes as they are. */
  body?: unknown
  /** The address of the socket. */
  peerAddress?: string
}

export interface TestAnswer {
  status: number
  headers: Headers
  text: string
  // Tests look into bodies of every form; the harness has checked them against their schemas.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  body: any
}

/** What the names of webhooks' URLs stand for; any other does not resolve. No test asks a name server. */
const ADDRESSES: Record<string, string> = {
  'example.com': '93.184.215.14',
  'private.test': '10.0.0.7',
  'metadata.test': '169.254.169.254',
}

async function lookup(hostname: string) {
  const address = ADDRESSES[hostname]
  if (address === undefined) throw Object.assign(new Error(`${hostname} is not known`), { code: 'ENOTFOUND' })
  return [{ address, family: 4 }]
}

type WrapStore = (store: Store) => Store

const openStore = await testStores()

/** The app on a store of its own in a temporary folder; both go away with the test. */
export function testApp(environment: Record<string, string> = {}, wrapStore?: WrapStore): Promise<TestApp> {
  return openApp(onTestFinished, environment, wrapStore)
}

/** One app for all tests of a file, made at its top; `key()` keeps the tests apart. Not for tests that move the clock. */
export function sharedApp(environment: Record<string, string> = {}, wrapStore?: WrapStore): Promise<TestApp> {
  return openApp(afterAll, environment, wrapStore)
}

async function openApp(
  atEnd: (close: () => Promise<void>) => void,
  environment: Record<string, string>,
  wrapStore: WrapStore = (store) => store,
): Promise<TestApp> {
  const directory = mkdtempSync(join(tmpdir(), 'triggers-test-'))
  const config = parseConfig({ LOG_LEVEL: 'silent', DATA_DIR: directory, ...environment })
  const clock = new FakeClock()
  const { store, queue, limiter, storedBytes } = await openStore(config, clock)
  atEnd(async () => {
    await store.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const vault = await openVault(store, config.masterKeys ?? [{ id: 'test', key: randomBytes(32) }])
  const own = depsOf(config, wrapStore(store), queue, vault, clock, undefined, limiter)
  await own.httpOut.close()
  const httpOut = createHttpOut({ ...config.webhooks, allowLoopback: config.authMode === 'local', lookup })
  atEnd(() => httpOut.close())
  const keys = new TestKeys(own.keys)
  const deps: Deps = { ...own, keys, httpOut }
  const app = buildApp(deps)
  const defaultKey = keys.add(SCOPES, `ws-${randomUUID()}`)
  return {
    deps,
    clock,
    storedBytes,
    key: (scopes = SCOPES, workspaceId = `ws-${randomUUID()}`, restrictions = {}) => keys.add(scopes, workspaceId, restrictions),
    request: async (path, { method = 'GET', headers = {}, body, peerAddress = '127.0.0.1', ...options } = {}) => {
      const key = 'key' in options ? options.key : defaultKey
      const isJson = body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)
      const init = {
        method,
        headers: {
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(key !== undefined && { 'x-api-key': key }),
          ...headers,
        },
        ...(body !== undefined && { body: isJson ? JSON.stringify(body) : (body as string | Uint8Array<ArrayBuffer>) }),
      }
      const response = await app.request(`http://localhost${path}`, init, { peerAddress })
      const answer = await readAnswer(response)
      checkAnswer(method, path, answer)
      return answer
    },
  }
}

async function readAnswer(response: Response): Promise<TestAnswer> {
  const text = await response.text()
  const isJson = response.headers.get('content-type') === 'application/json'
  return { status: response.status, headers: response.headers, text, body: isJson && text !== '' ? JSON.parse(text) : undefined }
}

/** Keys that a test makes at once, in front of the real ones. */
class TestKeys implements KeyRing {
  readonly #keys = new Map<string, Authentication>()
  readonly #stored: KeyRing

  constructor(stored: KeyRing) {
    this.#stored = stored
  }

  add(scopes: readonly Scope[], workspaceId: string, restrictions: Restrictions = {}): string {
    const secret = `test-${this.#keys.size + 1}-${randomUUID()}`
    const principal = principalWith({ workspaceId, scopes, keyId: `key_test_${this.#keys.size + 1}`, ...restrictions })
    this.#keys.set(secret, { outcome: 'known', principal })
    return secret
  }

  authenticate(secret: string) {
    return this.#keys.get(secret) ?? this.#stored.authenticate(secret)
  }

  forget(keyId: string): void {
    this.#stored.forget(keyId)
  }
}

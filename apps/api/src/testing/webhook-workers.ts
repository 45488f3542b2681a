/** The workers of webhooks on a real store, queue and way out, for tests that say what a receiver gets. */
import { randomBytes } from 'node:crypto'
import pino from 'pino'
import { expect, onTestFailed, onTestFinished } from 'vitest'
import { createHttpOut } from '../adapters/http-out/http-out.ts'
import type { SqliteStore } from '../adapters/sqlite/store.ts'
import { systemClock } from '../adapters/system-clock.ts'
import { parseConfig } from '../config.ts'
import { openVault } from '../domain/vault.ts'
import { createWebhookRing } from '../domain/webhook-ring.ts'
import { newWebhookSecret } from '../domain/webhook-signing.ts'
import type { Clock, NewEvent, Store } from '../ports.ts'
import { newUuid } from '../uuid.ts'
import type {
  DeliveryRecord,
  DeliveryStatus,
  HttpOut,
  NewReplay,
  Queue,
  ReplayRecord,
  StoredWebhook,
  WebhookRecord,
} from '../webhook-ports.ts'
import { startWorkers, type WorkerDeps } from '../workers/start-workers.ts'
import { type Receiver, type ReceiverOptions, startReceiver } from './receiver.ts'
import { temporaryStore } from './temporary-store.ts'
import { webhookRecord } from './webhook-records.ts'

const WORKSPACE = 'acme'

export const TEST_AUDIT = {
  workspaceId: WORKSPACE,
  action: 'test',
  actor: { type: 'operator', keyId: null },
  target: { type: 'webhook', id: 'test' },
  changes: {},
  ip: null,
  requestId: null,
} as const

export interface WorkersOptions {
  clock?: Clock
  /** Of one send. */
  timeoutMs?: number
  /** What the workers have in place of the store, of the way out, and of the queue. */
  wrapStore?: (store: Store) => Store
  wrapHttpOut?: (httpOut: HttpOut) => HttpOut
  wrapQueue?: (queue: Queue) => Queue
}

export type TestWorkers = Awaited<ReturnType<typeof testWorkers>>

/** Nothing runs until `start`, which may be called for several workers; all of them end with the test. */
export async function testWorkers(options: WorkersOptions = {}) {
  const { clock = systemClock, timeoutMs = 20_000 } = options
  const { wrapStore = (store) => store, wrapHttpOut = (httpOut) => httpOut, wrapQueue = (queue) => queue } = options
  const stops: (() => Promise<void>)[] = []
  // Before the store's: the workers end while it is still there.
  const { store, reopen } = await temporaryStore(clock)
  onTestFinished(async () => {
    await Promise.all(stops.map((stop) => stop()))
  })
  const vault = await openVault(store, [{ id: 'test', key: randomBytes(32) }])
  const lines: string[] = []
  onTestFailed(() => void process.stderr.write(lines.join('')))
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })
  const config = parseConfig({ SHUTDOWN_TIMEOUT_MS: '2000' })

  function depsOn(opened: SqliteStore): WorkerDeps & { close(): Promise<void> } {
    const httpOut = createHttpOut({ allowedCidrs: [], allowHttp: true, allowLoopback: true, timeoutMs })
    const [ownStore, queue] = [wrapStore(opened), wrapQueue(opened.queue)]
    const webhooks = createWebhookRing({ store: ownStore, vault })
    const deps = { store: ownStore, queue, httpOut: wrapHttpOut(httpOut), webhooks, clock, config, log }
    return { ...deps, close: () => httpOut.close() }
  }

  /** @param opened another process's store */
  function start(opened: SqliteStore = store): () => Promise<void> {
    const { close, ...deps } = depsOn(opened)
    const stopWorkers = startWorkers(deps)
    let stopping: Promise<void> | undefined
    const stop = () => {
      stopping ??= stopWorkers().then(close)
      return stopping
    }
    stops.push(stop)
    return stop
  }

  async function addWebhook(fields: Partial<WebhookRecord> & { secret?: string } = {}): Promise<StoredWebhook> {
    const { secret = newWebhookSecret(), ...rest } = fields
    const webhookId = newUuid(clock.nowUs())
    const secrets = [{ sealed: await vault.seal(secret, webhookId), expiresAtUs: null }]
    const own = { webhookId, workspaceId: WORKSPACE, url: 'http://127.0.0.1:9/', secrets, updatedAtUs: clock.nowUs() }
    return saveWebhook(webhookRecord({ ...own, ...rest }))
  }

  async function saveWebhook(record: WebhookRecord): Promise<StoredWebhook> {
    const saved = await store.saveWebhook(record, { audit: TEST_AUDIT })
    return saved.outcome === 'saved' ? saved.webhook : expect.fail(`the webhook was not saved: ${saved.outcome}`)
  }

  /** Writes the fields over the webhook as it is stored. */
  async function changeWebhook(webhookId: string, fields: Partial<WebhookRecord>): Promise<StoredWebhook> {
    const webhook = (await store.getWebhook(webhookId)) ?? expect.fail('no such webhook')
    return saveWebhook({ ...webhook, ...fields })
  }

  /** @returns their ids */
  async function createEvents(count: number, fields: Partial<NewEvent> = {}): Promise<string[]> {
    const event = { source: 'shop', eventType: 'order.paid', priority: 'normal', metadata: '{"priority":"normal"}', payload: '{}' } as const
    const ids: string[] = []
    while (ids.length < count) {
      const some = Array.from({ length: Math.min(100, count - ids.length) }, () => ({ ...event, ...fields }))
      for (const made of await store.createEvents(WORKSPACE, some)) {
        if ('eventId' in made) ids.push(made.eventId)
      }
    }
    return ids
  }

  /** All of a webhook's, the oldest first. */
  async function deliveriesOf(webhookId: string, status?: DeliveryStatus): Promise<DeliveryRecord[]> {
    const deliveries: DeliveryRecord[] = []
    let after: string | undefined
    do {
      const page = await store.listDeliveries({ workspaceId: WORKSPACE, webhookId, status, limit: 1000, maxBytes: 100_000_000, after })
      deliveries.push(...page.deliveries)
      after = page.next ?? undefined
    } while (after !== undefined)
    return deliveries.reverse()
  }

  return {
    store,
    reopen,
    vault,
    clock,
    lines,
    start,
    addWebhook,
    changeWebhook,
    createEvents,
    deliveriesOf,
    /** Waits until the webhook has so many deliveries of that status. */
    waitForStatus: (webhookId: string, status: DeliveryStatus, count: number) =>
      expect.poll(async () => (await deliveriesOf(webhookId, status)).length, { timeout: 20_000 }).toBe(count),
    /** Waits until so many attempts have been recorded for the webhook. */
    waitForAttempts: (webhookId: string, count: number) =>
      expect
        .poll(async () => (await deliveriesOf(webhookId)).reduce((sum, { attempts }) => sum + attempts.length, 0), { timeout: 20_000 })
        .toBeGreaterThanOrEqual(count),
    startReplay: (webhookId: string, fields: Partial<NewReplay> = {}) => startReplay(store, clock, webhookId, fields),
    /** A receiver that ends with the test. */
    receiver: async (respond: ReceiverOptions['respond'] = () => ({ status: 200 })): Promise<Receiver> => {
      const receiver = await startReceiver({ respond })
      stops.push(() => receiver.close())
      return receiver
    },
  }
}

async function startReplay(store: SqliteStore, clock: Clock, webhookId: string, fields: Partial<NewReplay>): Promise<ReplayRecord> {
  const replay = await store.createReplay(
    {
      replayId: newUuid(clock.nowUs()),
      webhookId,
      workspaceId: WORKSPACE,
      sinceUs: 0,
      untilUs: clock.nowUs(),
      filter: null,
      selection: null,
      rate: 1000,
      ...fields,
    },
    TEST_AUDIT,
  )
  await store.queue.enqueue([{ job: { type: 'replay', replayId: replay.replayId } }])
  return replay
}

/** The event ids, without hyphens, that the receiver was sent for the webhook; each as often as it came. */
export function receivedBy(receiver: Receiver, webhookId: string): string[] {
  return receiver.requests
    .filter(({ headers }) => headers['x-webhook-id'] === webhookId)
    .map(({ headers }) => String(headers['webhook-id']).slice('msg_'.length))
}

/** As `receivedBy` spells them. */
export const spelled = (eventIds: readonly string[]): string[] => eventIds.map((eventId) => eventId.replaceAll('-', ''))

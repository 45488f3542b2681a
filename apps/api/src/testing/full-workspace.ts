/** A workspace with something of everything that moves with it. */
import { newAuditEntry, newDelivery, newEvent, newReplay } from '../adapters/conformance/harness.ts'
import type { Deps } from '../deps.ts'
import { createApiKey } from '../domain/api-keys.ts'
import { ownEvent } from '../domain/own-events.ts'
import { walkReplay } from '../domain/walk-replay.ts'
import { newUuid } from '../uuid.ts'
import type { AttemptOutcome, ClaimedDelivery, NewDelivery, StoredWebhook } from '../webhook-ports.ts'
import { webhookRecord } from './webhook-records.ts'

const BY = { principal: null, ip: '192.0.2.7', requestId: 'request-1' }
const EVENTS = 12

export interface FullWorkspace {
  /** An API key's secret, in the clear. */
  secret: string
  keyId: string
  webhook: StoredWebhook
  /** Of a replay that runs, with deliveries that are open. */
  replayId: string
  /** Hashes and sealed values of all of it. */
  hidden: string[]
}

/** The store's other workspaces have no events that wait for fan-out. */
export async function fillWorkspace(deps: Deps, workspaceId: string): Promise<FullWorkspace> {
  const { store } = deps
  const key = await createApiKey(deps, BY, workspaceId, {
    name: 'Zoë 🚀',
    scopes: ['events:write'],
    allowedIps: ['10.0.0.0/8'],
    requireSignature: true,
  })
  const webhook = await makeWebhook(deps, workspaceId)
  const quiet = await makeWebhook(deps, workspaceId, { isActive: false, disabledAtUs: deps.clock.nowUs(), disabledReason: 'gone' })
  const eventIds = await makeEvents(deps, workspaceId)
  await store.settled()

  const own = ownEvent('triggers.webhook.recovered', { webhook_id: quiet.webhookId }, deps.clock.nowUs())
  await makeDeliveries(deps, [
    ...eventIds.slice(0, 5).map((eventId) => newDelivery(webhook, { eventId })),
    newDelivery(webhook, { eventId: own.eventId, eventType: own.eventType, ownEvent: own }),
  ])
  await attempt(deps, webhook, (claimed, n) => endOf(deps, claimed, n))

  const { replayId } = await store.createReplay(
    newReplay(webhook, { ...SPAN, replayId: newUuid(deps.clock.nowUs()), rate: 1 }),
    newAuditEntry(workspaceId),
  )
  // The first step counts the events, the second makes deliveries.
  await walkReplay(deps, replayId)
  await walkReplay(deps, replayId)
  await attempt(deps, { webhookId: webhook.webhookId, replayId }, (claimed) => endOf(deps, claimed, 0), 2)
  await store.appendAuditEntry(
    newAuditEntry(workspaceId, { action: 'suite.ended', changes: { b: { from: { z: 1, a: [null, 'ö'] }, to: 1.5 } } }),
  )
  const hidden = [key.apiKey.versions, key.apiKey.signingSecrets, webhook.secrets, webhook.headers].flatMap((from) =>
    [...JSON.stringify(from).matchAll(/"(?:hash|sealed)":"([^"]+)"/g)].map(([, value = '']) => value),
  )
  return { secret: key.secret, keyId: key.apiKey.keyId, webhook, replayId, hidden }
}

/** Before and behind all that is made. */
const SPAN = { sinceUs: 0, untilUs: 9e15 }

async function makeWebhook(
  { store, vault, clock }: Deps,
  workspaceId: string,
  fields: Partial<StoredWebhook> = {},
): Promise<StoredWebhook> {
  const webhookId = newUuid(clock.nowUs())
  const record = webhookRecord({
    ...{ webhookId, workspaceId, description: 'Zoë', updatedAtUs: clock.nowUs() },
    filter: { source: ['shop-0', 'shop-1'], payload: [{ path: '$.n', op: 'range', value: { gte: 0 } }] },
    headers: { names: ['X-Team'], sealed: await vault.seal('{"X-Team":"canary-header"}', webhookId) },
    secrets: [{ sealed: await vault.seal('whsec_Y2FuYXJ5', webhookId), expiresAtUs: null }],
    ...fields,
  })
  const saved = await store.saveWebhook(record, { audit: newAuditEntry(workspaceId) })
  if (saved.outcome !== 'saved') throw new Error(`The webhook was not saved: ${saved.outcome}.`)
  return saved.webhook
}

async function makeEvents({ store }: Deps, workspaceId: string): Promise<string[]> {
  const events = Array.from({ length: EVENTS }, (_, n) => {
    const idempotency = n % 4 === 0 ? { key: `order-${n}`, fingerprint: new Uint8Array(32).fill(n) } : undefined
    const metadata = { priority: 'normal', team: `Zoë ${n % 2}`, ...(idempotency && { idempotency_key: idempotency.key }) }
    const payload = `{"n":${n}.0,"text":"${'ö\\ud83d'.repeat(n * 40)}"}`
    return newEvent({ source: `shop-${n % 2}`, metadata: JSON.stringify(metadata), payload, idempotency })
  })
  const results = await store.createEvents(workspaceId, events)
  const eventIds = results.map((result) => ('eventId' in result ? result.eventId : ''))
  await store.ackEvents(workspaceId, eventIds.slice(1, 4))
  return eventIds
}

async function makeDeliveries({ store, clock }: Deps, deliveries: readonly NewDelivery[]): Promise<void> {
  const look = { limit: 1000, maxBytes: 1e7, interests: new Map() }
  let { stored: from, mark: to, more } = await store.readOutbox(look)
  while (more) ({ mark: to, more } = await store.readOutbox({ ...look, after: to }))
  const due = deliveries.map((delivery) => ({ ...delivery, dueAtUs: clock.nowUs() }))
  if (!(await store.fanOut({ from, to, deliveries: due }))) throw new Error('Another fan-out was faster.')
}

async function attempt(
  { store, clock }: Deps,
  { webhookId, replayId = null }: { webhookId: string; replayId?: string | null },
  make: (claimed: ClaimedDelivery, n: number) => Omit<AttemptOutcome, 'heldUntilUs'>,
  limit = 4,
): Promise<void> {
  const heldUntilUs = clock.nowUs() + 30_000_000
  const { deliveries } = await store.claimDeliveries({ webhookId, replayId, limit, maxBytes: 1e7, heldUntilUs, paces: [] })
  const results = await store.recordAttempts(deliveries.map((claimed, n) => ({ ...make(claimed, n), heldUntilUs })))
  if (results.length === 0 || results.some(({ outcome }) => outcome === 'lost'))
    throw new Error('Nothing was claimed, or a claim was lost.')
}

/** An end of each kind, one after the other. */
function endOf({ clock }: Deps, { deliveryId, attemptCount }: ClaimedDelivery, n: number): Omit<AttemptOutcome, 'heldUntilUs'> {
  const status = (['delivered', 'pending', 'dead', 'delivered'] as const)[n % 4] ?? 'delivered'
  return {
    deliveryId,
    attempt: {
      ...{ attempt: attemptCount + 1, startedAtUs: clock.nowUs(), durationMs: 12.5, error: null, responseTruncated: false },
      statusCode: status === 'delivered' ? 200 : 500,
      responseBody: 'Zoë\n"'.repeat(n * 200),
      retryReason: status === 'pending' ? 'status_500' : null,
    },
    status,
    // Long after the test.
    dueAtUs: status === 'pending' ? clock.nowUs() + 3_600_000_000 : null,
    succeeded: status === 'delivered',
    alarms: status === 'dead',
    ownDeliveries: [],
    recoveredDeliveries: [],
  }
}

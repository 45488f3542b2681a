/** Every endpoint × every state of a credential, from the route table: a new route is asked without a line here. */
import { describe, expect, it } from 'vitest'
import { buildApp } from './app.ts'
import { createApiKey, revokeApiKey, rotateApiKey } from './domain/api-keys.ts'
import { startReplay } from './domain/replays.ts'
import { createWebhook } from './domain/webhooks.ts'
import type { Endpoint } from './endpoint.ts'
import { SCOPES, type Scope, StoreUnavailableError } from './ports.ts'
import { endpoints } from './routes/index.ts'
import { INPUT } from './testing/events.ts'
import { parametersOf, sampleRequest } from './testing/sample-request.ts'
import { type RequestOptions, sharedApp, type TestAnswer } from './testing/test-app.ts'
import { eventRecord } from './testing/webhook-records.ts'
import { storeDeliveries } from './testing/webhooks.ts'

const ENCRYPTION_KEY = `main:${Buffer.alloc(32, 1).toString('base64')}`
const OPERATOR = { principal: null, ip: null, requestId: null }
const WORKSPACE = 'acme'
const ALLOWED_ADDRESS = '203.0.113.9'

const app = await sharedApp({ AUTH_MODE: 'keys', ENCRYPTION_KEY })
const findApiKeyByHash = () => Promise.reject(new StoreUnavailableError('away'))
const away = await sharedApp({ AUTH_MODE: 'keys', ENCRYPTION_KEY }, (store) => Object.assign(Object.create(store), { findApiKeyByHash }))

/** Each test comes from an address of its own: failures count by address. */
let addresses = 0
const newAddress = () => `10.0.${Math.floor(addresses / 256)}.${addresses++ % 256}`

const keyed = endpoints.filter(({ access }) => access !== 'public').map((endpoint) => ({ endpoint, name: endpoint.route.operationId }))

/** What the path's parameters can name, made in a workspace of their own. */
const MAKE_OBJECT: Record<string, (workspaceId: string) => Promise<string>> = {
  event_id: async (workspaceId) => {
    const event = { source: 'a', eventType: 'b', priority: 'normal', metadata: '{"priority":"normal"}', payload: '{}' } as const
    const [created] = await app.deps.store.createEvents(workspaceId, [event])
    return created?.outcome === 'created' ? created.eventId : ''
  },
  key_id: async (workspaceId) => (await createApiKey(app.deps, OPERATOR, workspaceId, input(SCOPES))).apiKey.keyId,
  webhook_id: makeWebhook,
  delivery_id: async (workspaceId) => {
    const webhookId = await makeWebhook(workspaceId)
    const ownEvent = eventRecord()
    const { eventId, eventType } = ownEvent
    await storeDeliveries(app, [{ webhookId, eventId, eventType, dueAtUs: app.clock.nowUs(), replayId: null, ownEvent }])
    const { deliveries } = await app.deps.store.listDeliveries({ workspaceId, webhookId, limit: 1, maxBytes: 1 })
    return deliveries[0]?.deliveryId ?? ''
  },
  replay_id: async (workspaceId) => {
    const span = { sinceUs: 0, untilUs: undefined, filter: null, selection: null, rate: undefined }
    return (await startReplay(app.deps, OPERATOR, workspaceId, await makeWebhook(workspaceId), span)).replayId
  },
}

async function makeWebhook(workspaceId: string): Promise<string> {
  return (await createWebhook(app.deps, OPERATOR, workspaceId, { url: 'https://example.com/', events: ['*'] })).webhook.webhookId
}

type KeyInput = Parameters<typeof createApiKey>[3]

function input(scopes: readonly Scope[], rest: Partial<KeyInput> = {}): KeyInput {
  return { name: 'matrix', scopes: [...scopes], ...rest }
}

/** A request that the endpoint would answer with success, were the credential right. */
async function ask(endpoint: Endpoint, options: RequestOptions & { objectOf?: string; query?: string }, from = app): Promise<TestAnswer> {
  const { objectOf = WORKSPACE, query = '', ...rest } = options
  const ids: Record<string, string> = {}
  for (const name of parametersOf(endpoint)) {
    const make = MAKE_OBJECT[name]
    if (make === undefined) throw new Error(`Say in MAKE_OBJECT how to make what {${name}} names.`)
    ids[name] = await make(objectOf)
  }
  const { method, path, body } = sampleRequest(endpoint, ids)
  return from.request(path + query, { method, peerAddress: newAddress(), ...(body !== undefined && { body }), ...rest })
}

const scopesOf = ({ access }: Endpoint): readonly Scope[] => (access === 'public' ? [] : access)
const secretOf = async (scopes: readonly Scope[], rest?: Partial<KeyInput>) =>
  (await createApiKey(app.deps, OPERATOR, WORKSPACE, input(scopes, rest))).secret

function expectRefusal(answer: TestAnswer, status: number, reason?: string): void {
  expect(answer.status).toBe(status)
  if (reason !== undefined) expect(answer.body.error.details.reason).toBe(reason)
}

it('knows every parameter of every path', () => {
  const names = keyed.flatMap(({ endpoint }) => parametersOf(endpoint))
  expect(Object.keys(MAKE_OBJECT)).toEqual(expect.arrayContaining(names))
})

describe.each(keyed)('$name', ({ endpoint }) => {
  it('refuses no key, an unknown, an expired, a rotated-away and a revoked one', async () => {
    expectRefusal(await ask(endpoint, { key: undefined }), 401, 'key_missing')
    expectRefusal(await ask(endpoint, { key: 'trg_unknown' }), 401, 'key_unknown')
    expectRefusal(await ask(endpoint, { key: 'test-api-key-12345' }), 401, 'key_unknown')
    const expiring = await secretOf(SCOPES, { expiresAtUs: app.clock.nowUs() + 1e6 })
    const rotated = await createApiKey(app.deps, OPERATOR, WORKSPACE, input(SCOPES))
    await rotateApiKey(app.deps, OPERATOR, WORKSPACE, rotated.apiKey.keyId, { revokePrevious: true })
    const revoked = await createApiKey(app.deps, OPERATOR, WORKSPACE, input(SCOPES))
    await revokeApiKey(app.deps, OPERATOR, WORKSPACE, revoked.apiKey.keyId)
    app.clock.advance({ seconds: 1 })
    expectRefusal(await ask(endpoint, { key: expiring }), 401, 'key_expired')
    expect((await ask(endpoint, { key: rotated.secret })).status).toBe(401)
    expectRefusal(await ask(endpoint, { key: revoked.apiKey.keyId }), 401, 'key_unknown')
    expectRefusal(await ask(endpoint, { key: revoked.secret }), 401, 'key_revoked')
  })

  it('refuses a valid key in the query string, and does not repeat it', async () => {
    const secret = await secretOf(SCOPES)
    const answer = await ask(endpoint, { key: undefined, query: `?api_key=${secret}` })
    expectRefusal(answer, 401, 'key_missing')
    expect(answer.text).not.toContain(secret)
  })

  it('takes each of its scopes alone, and refuses a key with all the others', async () => {
    const scopes = scopesOf(endpoint)
    for (const scope of scopes) expect((await ask(endpoint, { key: await secretOf([scope]) })).status).not.toBe(401)
    if (scopes.length === 0) return
    const others = await secretOf(SCOPES.filter((scope) => !scopes.includes(scope)))
    const answer = await ask(endpoint, { key: others })
    expectRefusal(answer, 403)
    expect(answer.body.error.details.required_scopes).toEqual([...scopes])
  })

  it('refuses an address outside the allowlist, whatever X-Forwarded-For says', async () => {
    const key = await secretOf(SCOPES, { allowedIps: [ALLOWED_ADDRESS] })
    const spoofed = { 'x-forwarded-for': ALLOWED_ADDRESS, forwarded: `for=${ALLOWED_ADDRESS}`, 'x-real-ip': ALLOWED_ADDRESS }
    expectRefusal(await ask(endpoint, { key, peerAddress: '192.0.2.1' }), 403)
    expectRefusal(await ask(endpoint, { key, peerAddress: '192.0.2.1', headers: spoofed }), 403)
    const allowed = await ask(endpoint, { key, peerAddress: ALLOWED_ADDRESS })
    // It may be refused for what it would make, not for where it comes from.
    expect([allowed.status === 401, allowed.body?.error?.details.ip]).toEqual([false, undefined])
  })

  it('refuses an unsigned request of a key that must sign, and one beyond the rate', async () => {
    expectRefusal(await ask(endpoint, { key: await secretOf(SCOPES, { requireSignature: true }) }), 401, 'signature_required')
    const key = await secretOf(SCOPES, { rateLimitPerMinute: 1 })
    expect((await ask(endpoint, { key })).headers.get('x-ratelimit-remaining')).toBe('0')
    expectRefusal(await ask(endpoint, { key }), 429)
  })

  it('is 503 while the store cannot say whose key it is', async () => {
    const key = await secretOf(SCOPES)
    expectRefusal(await ask(endpoint, { key }, away), 503)
    const limiter = { take: () => Promise.reject(new StoreUnavailableError('away')) }
    const init = { method: endpoint.route.method.toUpperCase(), headers: { 'x-api-key': key } }
    expect((await buildApp({ ...app.deps, limiter }).request(`http://localhost${endpoint.route.path}`, init)).status).toBe(503)
  })

  it("never shows or changes another workspace's object", async () => {
    if (!endpoint.route.path.includes('{')) return
    const other = `other-${endpoint.route.operationId}`
    const answer = await ask(endpoint, { key: await secretOf(SCOPES), objectOf: other })
    // A delete of what is not there is a success by the contract, and does nothing.
    expect(answer.status).toBe(endpoint.route.operationId === 'deleteEvent' ? 200 : 404)
    const { events } = await app.deps.store.listEvents({ workspaceId: other, filter: {}, order: 'asc', limit: 10, maxBytes: 1e6 })
    const { apiKeys } = await app.deps.store.listApiKeys({ workspaceId: other, limit: 10 })
    const { webhooks } = await app.deps.store.listWebhooks({ workspaceId: other, limit: 10 })
    expect(events.length + apiKeys.length + webhooks.length).toBe(1)
    expect(events.every(({ status }) => status === 'pending')).toBe(true)
    expect(apiKeys.every(({ revision, revokedAtUs }) => revision === 1 && revokedAtUs === null)).toBe(true)
    for (const { webhookId, revision } of webhooks) {
      expect(revision).toBe(1)
      const { deliveries } = await app.deps.store.listDeliveries({ workspaceId: other, webhookId, limit: 10, maxBytes: 1e6 })
      expect(deliveries.every(({ status }) => status === 'pending')).toBe(true)
      const { replays } = await app.deps.store.listReplays({ webhookId, limit: 10 })
      expect(replays.every(({ status }) => status === 'running')).toBe(true)
      const made = { delivery_id: [1, 0], replay_id: [0, 1], webhook_id: [0, 0] }[parametersOf(endpoint)[0] ?? '']
      expect([deliveries.length, replays.length]).toEqual(made)
    }
  })
})

it.each(endpoints.filter(({ access }) => access === 'public'))('$route.operationId needs no key', async ({ route }) => {
  expect((await app.request(route.path, { key: undefined })).status).toBe(200)
})

it('an event that is made with a key of one workspace is in no list of another', async () => {
  const [one, two] = [
    await createApiKey(app.deps, OPERATOR, 'one', input(SCOPES)),
    await createApiKey(app.deps, OPERATOR, 'two', input(SCOPES)),
  ]
  await app.request('/v1/events', { method: 'POST', key: one.secret, body: INPUT })
  for (const path of ['/v1/events', '/v1/inbox']) {
    expect((await app.request(path, { key: one.secret })).body.events).toHaveLength(1)
    expect((await app.request(path, { key: two.secret })).body.events).toHaveLength(0)
  }
})

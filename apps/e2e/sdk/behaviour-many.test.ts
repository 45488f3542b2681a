/** What both clients do alike with many events and with deliveries, row by row of docs/SDKS.md. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import type { Call, Done, EventToCreate, Failure, Job, Outcome } from './driver.ts'
import { describeClients } from './languages.ts'
import * as scripted from './scripted-server.ts'
import { AT_ONCE, failure, type Reply, type ScriptedServer, type SeenRequest } from './scripted-server.ts'

const idOf = (number: number) => `019a9c00-0000-7000-8000-${String(number).padStart(12, '0')}`
const eventOf = (number: number): EventToCreate => ({ source: 'shop', event_type: 'order.placed', payload: { number } })
const upTo = (count: number) => Array.from({ length: count }, (_, number) => number)

interface BulkBody {
  items: { payload: { number: number; text?: string }; metadata: { idempotency_key: string } }[]
  event_ids: string[]
}
// The clients send what the API's document says.
const bodyOf = ({ body }: SeenRequest) => JSON.parse(body) as BulkBody

/** Does what is asked, but for the items with these numbers. */
function bulkAnswer(request: SeenRequest, code = 'VALIDATION_ERROR', failing: readonly number[] = []): Reply {
  const { items, event_ids } = bodyOf(request)
  const ids = event_ids ?? items.map(({ payload }) => idOf(payload.number))
  const at = '2025-11-21T08:00:00.123456Z'
  const isFailing = (id: string) => failing.some((number) => idOf(number) === id)
  const status = request.target.endsWith('/ack') ? 'acknowledged' : 'pending'
  const members = { status, created_at: at, acknowledged_at: at, message: 'Done.' }
  const successful = ids.flatMap((event_id, index) => (isFailing(event_id) ? [] : [{ index, event_id, ...members }]))
  const failed = ids.flatMap((event_id, index) => {
    const details = { event_id, current_status: 'acknowledged', acknowledged_at: at }
    return isFailing(event_id) ? [{ index, error: { code, message: `It is ${code}.`, details } }] : []
  })
  return {
    status: request.target === '/v1/events/bulk' && request.method === 'POST' ? 201 : 200,
    body: { successful, failed, request_id: 'req-1' },
  }
}

const servers: ScriptedServer[] = []
afterAll(() => Promise.all(servers.map((server) => server.close())))

async function start(script: Parameters<typeof scripted.startScriptedServer>[0]): Promise<ScriptedServer> {
  const server = await scripted.startScriptedServer(script)
  servers.push(server)
  return server
}

interface WebhookVector {
  name: string
  secret: string
  webhook_id: string
  webhook_timestamp: string
  body_base64: string
  webhook_signature: string
  x_webhook_signature: string
}
const vectors: { cases: WebhookVector[]; rotation: WebhookVector & { old_secret: string; new_secret: string } } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../docs/vectors/webhook-signing.json'), 'utf8'),
)

describeClients('the client', (driver) => {
  const run = (server: { url: string }, call: Call, client: Job['client'] = {}): Promise<Done> =>
    driver.run({ client: { apiKey: 'trg_behaviour', baseUrl: server.url, ...client }, calls: [call] })
  const itemsOf = ({ outcomes }: Done): Outcome[] => {
    expect(outcomes).toMatchObject([{ value: expect.any(Array) }])
    // Bulk calls give a list of outcomes.
    return outcomes[0]?.value as Outcome[]
  }
  const idsOf = (done: Done) => itemsOf(done).map(({ value }) => (value as { event_id: string } | undefined)?.event_id)
  const ids = upTo(60).map(idOf)

  it('goes through all pages with the same filters, and ends after the last', async () => {
    const server = await start([scripted.pageOf([idOf(1)], 'cursor-1'), scripted.pageOf([], 'cursor-2'), scripted.pageOf([idOf(2)], null)])
    expect((await run(server, { name: 'inbox', limit: 2, source: 'my shop' })).outcomes).toEqual([{ value: [idOf(1), idOf(2)] }])
    const queries = server.requests.map(({ target }) => Object.fromEntries(new URLSearchParams(target.split('?')[1])))
    const filters = { limit: '2', source: 'my shop' }
    expect(queries).toEqual([filters, { ...filters, cursor: 'cursor-1' }, { ...filters, cursor: 'cursor-2' }])
  })

  it('ends with the error when a page cannot be read', async () => {
    const server = await start([scripted.pageOf([idOf(1)], 'cursor-1'), failure(400, 'VALIDATION_ERROR')])
    expect((await run(server, { name: 'events' })).outcomes).toMatchObject([{ error: { status: 400 } }])
    expect(server.requests).toHaveLength(2)
  })

  it('splits creates into requests of 25, and gives a result for each in their order', async () => {
    const server = await start((request) => bulkAnswer(request))
    const done = await run(server, { name: 'createMany', events: upTo(60).map(eventOf) })
    expect(idsOf(done)).toEqual(ids)
    expect(server.requests.map((request) => bodyOf(request).items.length).toSorted()).toEqual([10, 25, 25])
    expect(new Set(server.requests.map(({ method, target }) => `${method} ${target}`))).toEqual(new Set(['POST /v1/events/bulk']))
  })

  it('splits acks and deletes alike', async () => {
    const server = await start((request) => bulkAnswer(request))
    expect(idsOf(await run(server, { name: 'ackMany', ids }))).toEqual(ids)
    expect(idsOf(await run(server, { name: 'deleteMany', ids }))).toEqual(ids)
    const sent = server.requests.map((request) => `${request.method} ${request.target} ${bodyOf(request).event_ids.length}`)
    const expected = [10, 25, 25].flatMap((count) => [`POST /v1/events/bulk/ack ${count}`, `DELETE /v1/events/bulk ${count}`])
    expect(sent.toSorted()).toEqual(expected.toSorted())
  })

  it('splits by bytes where 25 would be too many', async () => {
    const server = await start((request) => bulkAnswer(request))
    const text = 'é'.repeat(200_000)
    const events = upTo(25).map((number) => ({ ...eventOf(number), payload: { number, text } }))
    expect(idsOf(await run(server, { name: 'createMany', events }))).toEqual(ids.slice(0, 25))
    const sizes = server.requests.map(({ body }) => Buffer.byteLength(body))
    expect(Math.max(...sizes)).toBeLessThanOrEqual(5_242_880)
    // As few as the bytes allow: 13 of them fit.
    expect(server.requests.map((request) => bodyOf(request).items.length).toSorted()).toEqual([12, 13])
  })

  it.each([
    [undefined, 4],
    [2, 2],
  ])('has, told %s, %i requests under way at the most', async (concurrency, most) => {
    const server = await start(async (request) => {
      await sleep(20)
      return bulkAnswer(request)
    })
    await run(server, { name: 'deleteMany', ids: upTo(250).map(idOf), ...(concurrency !== undefined && { concurrency }) })
    expect(server.requests).toHaveLength(10)
    expect(server.mostAtOnce()).toBe(most)
  })

  it('gives each item of a bulk create a key of its own, which the retries of its request share', async () => {
    const server = await start((request, index) => (index === 0 ? failure(500, 'INTERNAL_ERROR', {}, AT_ONCE) : bulkAnswer(request)))
    const events = upTo(25).map((number) => ({ ...eventOf(number), ...(number === 3 && { metadata: { idempotency_key: 'mine' } }) }))
    expect(idsOf(await run(server, { name: 'createMany', events }))).toEqual(ids.slice(0, 25))
    const keys = server.requests.map((request) => bodyOf(request).items.map(({ metadata }) => metadata.idempotency_key))
    expect(keys).toHaveLength(2)
    expect(keys[1]).toEqual(keys[0])
    expect(new Set(keys[0]).size).toBe(25)
    expect(keys[0]?.[3]).toBe('mine')
  })

  it('fails the items alone that the server refuses, each as its single call would', async () => {
    const server = await start((request) => bulkAnswer(request, 'VALIDATION_ERROR', [7, 30]))
    const items = itemsOf(await run(server, { name: 'createMany', events: upTo(60).map(eventOf) }))
    expect(items.flatMap(({ error }, at) => (error === undefined ? [] : [at]))).toEqual([7, 30])
    expect(items[7]?.error).toMatchObject({ kind: 'api', status: 400, code: 'VALIDATION_ERROR', requestId: 'req-1' })
  })

  it('fails the items alone of a request that fails', async () => {
    const isLast = (request: SeenRequest) => bodyOf(request).event_ids.length === 10
    const server = await start((request) => (isLast(request) ? failure(403, 'FORBIDDEN') : bulkAnswer(request)))
    const items = itemsOf(await run(server, { name: 'deleteMany', ids }))
    expect(items.map(({ error }) => error?.code)).toEqual(upTo(60).map((number) => (number < 50 ? undefined : 'FORBIDDEN')))
  })

  it('takes a conflict within a bulk ack as success only after a try that may have reached the server', async () => {
    const after = async (...before: scripted.Scripted[]) => {
      const server = await start((request, index) => before[index] ?? bulkAnswer(request, 'CONFLICT', [1]))
      return itemsOf(await run(server, { name: 'ackMany', ids: ids.slice(0, 3) })).map(({ error }) => error?.code)
    }
    expect(await after('reset')).toEqual([undefined, undefined, undefined])
    expect(await after()).toEqual([undefined, 'CONFLICT', undefined])
    expect(await after(failure(429, 'RATE_LIMIT_EXCEEDED', {}, AT_ONCE))).toEqual([undefined, 'CONFLICT', undefined])
  })

  it('consumes: acknowledges what the handler has done, keeps what it has not, and ends gracefully', async () => {
    const pending = new Set(ids.slice(0, 5))
    const server = await start(({ method, target }) => {
      if (method === 'GET') return scripted.pageOf([...pending], null)
      const id = target.split('/')[3] ?? ''
      pending.delete(id)
      return { ...scripted.ACKNOWLEDGED, body: { event_id: id, status: 'acknowledged', acknowledged_at: '2025-11-21T08:00:00Z' } }
    })
    const failFor = [idOf(2)]
    const { outcomes } = await run(server, { name: 'consume', count: 5, concurrency: 2, failFor })
    expect(outcomes).toEqual([{ value: expect.any(Array) }])
    const handled = outcomes.flatMap(({ value }) => value as string[])
    expect(handled.toSorted()).toEqual(ids.slice(0, 5))
    const acked = server.requests.filter(({ method }) => method === 'POST').map(({ target }) => target.split('/')[3])
    expect(acked.toSorted()).toEqual([0, 1, 3, 4].map(idOf))
    expect([...pending]).toEqual(failFor)
  })

  const deliveryOf = ({ secret, ...vector }: WebhookVector) => ({
    name: 'verify' as const,
    body: Buffer.from(vector.body_base64, 'base64').toString(),
    headers: {
      'webhook-id': vector.webhook_id,
      'webhook-timestamp': vector.webhook_timestamp,
      'webhook-signature': vector.webhook_signature,
      'X-Webhook-Signature': vector.x_webhook_signature,
    },
    secrets: [secret],
    nowSeconds: Number(vector.webhook_timestamp),
  })
  const verify = async (call: Call): Promise<Failure | undefined> => (await run({ url: 'http://127.0.0.1' }, call)).outcomes[0]?.error
  const [vector] = vectors.cases

  it.each(vectors.cases)('takes the delivery of the vector: $name', async (vector) => {
    const delivery = deliveryOf(vector)
    expect(await verify(delivery)).toBeUndefined()
    const plain = { ...delivery, headers: { 'X-Webhook-Signature': vector.x_webhook_signature } }
    expect(await verify({ ...plain, allowPlain: true, nowSeconds: 0 })).toBeUndefined()
    expect(await verify(plain)).toMatchObject({ kind: 'signature' })
  })

  it('takes deliveries by either secret while one is replaced, and by any of several', async () => {
    const { old_secret, new_secret, ...rotation } = vectors.rotation
    for (const secrets of [[old_secret], [new_secret], ['whsec_other-secret', old_secret]]) {
      expect(await verify({ ...deliveryOf(rotation), secrets })).toBeUndefined()
    }
  })

  it('refuses deliveries by cause', async () => {
    if (vector === undefined) throw new Error('There are no vectors.')
    const delivery = deliveryOf(vector)
    const { 'webhook-id': _, ...withoutId } = delivery.headers
    const nameOf = (typescript: string, go: string) => ({ kind: 'signature', name: driver.language === 'Go' ? go : typescript })
    const cases: [Partial<typeof delivery> & { allowPlain?: boolean }, string, string][] = [
      [{ secrets: ['whsec_other-secret'] }, 'NoMatchingSignatureError', 'ErrNoMatchingSignature'],
      [{ body: `${delivery.body} ` }, 'NoMatchingSignatureError', 'ErrNoMatchingSignature'],
      [{ nowSeconds: delivery.nowSeconds + 301 }, 'StaleTimestampError', 'ErrMessageTooOld'],
      [{ nowSeconds: delivery.nowSeconds - 301 }, 'StaleTimestampError', 'ErrMessageTooNew'],
      [{ headers: withoutId as typeof delivery.headers }, 'MissingSignatureHeaderError', 'ErrMissingHeader'],
      [{ headers: { ...delivery.headers, 'webhook-signature': 'v1,short' } }, 'MalformedSignatureHeaderError', 'ErrMalformedHeader'],
      // The plain signature would be right; the others being there, it does not count.
      [{ nowSeconds: delivery.nowSeconds + 301, allowPlain: true }, 'StaleTimestampError', 'ErrMessageTooOld'],
    ]
    for (const [change, typescript, go] of cases) expect(await verify({ ...delivery, ...change })).toMatchObject(nameOf(typescript, go))
    expect(await verify({ ...delivery, nowSeconds: delivery.nowSeconds + 300 })).toBeUndefined()
    expect(await verify({ ...delivery, secrets: [] })).toBeDefined()
  })
})

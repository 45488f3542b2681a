import { EventEmitter, once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { afterEach, describe, expect, expectTypeOf, it, onTestFinished, vi } from 'vitest'
import {
  MalformedBodyError,
  NoMatchingSignatureError,
  RawBodyRequiredError,
  type SignatureVerificationError,
  signTestWebhook,
  type WebhookErrorContext,
  type WebhookEvent,
  type WebhookHandlerOptions,
  webhookHandler,
} from '../src/index.ts'

const SECRET = 'whsec_RVhBTVBMRS1leGFtcGxlLUVYQU1QTEUtZXhhbXBsZS0='
const EVENT: WebhookEvent = {
  event_id: '01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e',
  created_at: '2026-01-01T00:00:00.000000Z',
  source: 'shop',
  event_type: 'order.placed',
  payload: { order: 1042 },
  status: 'pending',
  metadata: { priority: 'normal' },
  acknowledged_at: null,
}
const MESSAGE_ID = 'msg_01932d5e7c1a7b449d0a5f3e2b1c4d6e'
const URL_OF_HOOK = 'http://receiver.example/hooks'

interface Order {
  order: number
}

/** A receiver that keeps what its one handler got, and what went wrong. */
function receiver(options: Partial<WebhookHandlerOptions> = {}) {
  const events: unknown[] = []
  const errors: { error: unknown; context: WebhookErrorContext }[] = []
  const webhook = webhookHandler({
    secret: SECRET,
    on: { 'order.placed': (event) => events.push(event) },
    onError: (error, context) => errors.push({ error, context }),
    ...options,
  })
  return { ...webhook, events, errors }
}

const delivery = async (event: Partial<WebhookEvent> | string = EVENT, secret = SECRET, options = {}) =>
  new Request(URL_OF_HOOK, await signTestWebhook(event, secret, options))

/** A function that says when it was called, and returns when it is told to. */
function gate() {
  const entered = Promise.withResolvers<void>()
  const opened = Promise.withResolvers<void>()
  const wait = () => {
    entered.resolve()
    return opened.promise
  }
  return { entered: entered.promise, open: () => opened.resolve(), fail: opened.reject, wait }
}

describe('a delivery', () => {
  it('is handed to the handler of its type, then answered with 204', async () => {
    const { fetch, events, errors } = receiver()
    const response = await fetch(await delivery())
    expect([response.status, await response.text()]).toEqual([204, ''])
    expect(events).toEqual([EVENT])
    expect(errors).toEqual([])
  })

  it('is answered only after the handler is done', async () => {
    const work = gate()
    const { fetch } = receiver({ on: { 'order.placed': work.wait } })
    let answered = false
    const answer = fetch(await delivery()).then(() => {
      answered = true
    })
    await work.entered
    expect(answered).toBe(false)
    work.open()
    await answer
    expect(answered).toBe(true)
  })

  it('of the standard payload format gives the same event', async () => {
    const { fetch, events } = receiver()
    const body = JSON.stringify({ type: EVENT.event_type, timestamp: EVENT.created_at, data: EVENT })
    expect((await fetch(await delivery(body))).status).toBe(204)
    expect(events).toEqual([EVENT])
  })

  it('tells the handler its webhook-id, also where only the plain signature came', async () => {
    const ids: string[] = []
    const { fetch } = receiver({ allowPlain: true, on: { '*': (_, { messageId }) => ids.push(messageId) } })
    await fetch(await delivery(EVENT, SECRET, { id: 'msg_of_its_own' }))
    await fetch(await delivery(EVENT, SECRET, { plain: true }))
    expect(ids).toEqual(['msg_of_its_own', MESSAGE_ID])
  })
})

describe('the handlers', () => {
  const typesHandledBy = async (names: string[], eventType: string) => {
    const ran: string[] = []
    const on = Object.fromEntries(names.map((name) => [name, () => ran.push(name)]))
    const { fetch } = receiver({ on, onUnhandled: () => ran.push('onUnhandled') })
    expect((await fetch(await delivery({ ...EVENT, event_type: eventType }))).status).toBe(204)
    return ran
  }

  it.each([
    ['order.placed', 'order.placed'],
    ['order.paid', 'order.*'],
    ['order.item.added', 'order.item.*'],
    ['order.item.a.b', 'order.item.*'],
    ['order.item', 'order.*'],
    ['order', '*'],
    ['orders.placed', '*'],
    ['user', '*'],
    ['.', '*'],
    ['.order', '*'],
    ['constructor', '*'],
    ['webhook.test', '*'],
    ['triggers.delivery.dead', 'triggers.delivery.dead'],
    ['triggers.webhook.disabled', 'onUnhandled'],
  ])('get an event of %s by the name that fits best alone: %s', async (eventType, name) => {
    const names = ['*', 'order.*', 'order.item.*', 'order.placed', 'triggers.delivery.dead']
    expect(await typesHandledBy(names, eventType)).toEqual([name])
  })

  it('get the server’s own events by triggers.*, not by *', async () => {
    expect(await typesHandledBy(['*', 'triggers.*'], 'triggers.webhook.recovered')).toEqual(['triggers.*'])
  })

  it('need not be there: what nobody handles is answered with 204', async () => {
    const { fetch, errors } = receiver({ on: {} })
    expect((await fetch(await delivery())).status).toBe(204)
    expect(errors).toEqual([])
  })

  it('are named by patterns, which is checked when the receiver is made', () => {
    for (const name of ['us*er', '.*', '**', '*.placed', '', 'user.**']) {
      expect(() => receiver({ on: { [name]: () => {} } }), name).toThrow(TypeError)
    }
    expect(() => receiver({ on: { 'order.placed': 'ship' as never } })).toThrow('"order.placed" must be')
    expect(() => receiver({ on: { 'order.placed': undefined } })).not.toThrow()
  })

  it('have the payload’s type', async () => {
    webhookHandler<{ 'order.placed': Order; 'order.paid': { paid: true } }>({
      secret: SECRET,
      on: {
        'order.placed': (event) => {
          expectTypeOf(event.payload).toEqualTypeOf<Order>()
          expectTypeOf(event.event_type).toEqualTypeOf<'order.placed'>()
        },
        'order.*': (event) => expectTypeOf(event.payload).toEqualTypeOf<Record<string, unknown>>(),
        '*': async (event, { messageId }) => {
          expectTypeOf(event.event_type).toEqualTypeOf<string>()
          expectTypeOf(messageId).toEqualTypeOf<string>()
        },
        'triggers.delivery.dead': ({ payload }) => expectTypeOf(payload.attempt_count).toEqualTypeOf<number>(),
        // @ts-expect-error: a type that was not declared is a misspelling
        'order.palced': () => {},
      },
    })
    webhookHandler<{ 'order.*': Order }>({
      secret: SECRET,
      on: { 'order.*': (event) => expectTypeOf(event.payload.order).toEqualTypeOf<number>() },
    })
    webhookHandler({
      secret: SECRET,
      on: {
        'order.placed': (event) => expectTypeOf(event.payload).toEqualTypeOf<Record<string, unknown>>(),
        'triggers.webhook.disabled': ({ payload }) => {
          expectTypeOf(payload.reason).toEqualTypeOf<'manual' | 'failing' | 'gone'>()
          // @ts-expect-error: it has no such field
          void payload.raeson
        },
        'triggers.webhook.recovered': ({ payload }) => expectTypeOf(payload.recovered_at).toEqualTypeOf<string>(),
      },
    })
  })
})

describe('the answer', () => {
  const refusals: [name: string, request: () => Promise<Request>, status: number, text: RegExp, stage: string][] = [
    ['another secret', () => delivery(EVENT, 'another secret of somebody'), 401, /wrong secret/, 'verify'],
    ['an old timestamp', () => delivery(EVENT, SECRET, { timestamp: 1_700_000_000 }), 401, /seconds behind this clock/, 'verify'],
    ['no headers', async () => new Request(URL_OF_HOOK, { method: 'POST', body: '{}' }), 400, /Missing: webhook-id/, 'verify'],
    ['no body', async () => new Request(URL_OF_HOOK, { method: 'POST' }), 400, /Missing: webhook-id/, 'verify'],
    ['the plain signature', () => delivery(EVENT, SECRET, { plain: true }), 400, /only with allowPlain/, 'verify'],
    ['a body that is no JSON', () => delivery('order'), 400, /not a JSON object/, 'verify'],
    ['a body that is no event', () => delivery('{"a":1}'), 400, /no event_type/, 'verify'],
  ]

  it.each(refusals)('to %s is a refusal, and no handler runs', async (_, request, status, text, stage) => {
    const { fetch, events, errors } = receiver({ on: { '*': () => expect.unreachable() } })
    const response = await fetch(await request())
    expect(response.status).toBe(status)
    expect(await response.text()).toMatch(text)
    expect(events).toEqual([])
    expect(errors.map(({ context }) => context)).toEqual([{ stage, event: undefined }])
  })

  it('to what is not POST is 405', async () => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      const response = await receiver().fetch(new Request(URL_OF_HOOK, { method }))
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
    }
  })

  it.each(['throws', 'rejects'])('to a handler that %s is 500, and says nothing of why', async (way) => {
    const failure = new Error('postgres://user:password@db')
    const { fetch, errors } = receiver({ on: { '*': () => (way === 'throws' ? fail(failure) : Promise.reject(failure)) } })
    const response = await fetch(await delivery())
    expect([response.status, await response.text()]).toEqual([500, 'The receiver failed.'])
    expect(errors).toEqual([{ error: failure, context: { stage: 'handler', event: EVENT } }])
  })

  it('says nothing of why either when the handler throws an error of this package', async () => {
    const { fetch } = receiver({ on: { '*': () => fail(new NoMatchingSignatureError('of another webhook')) } })
    const response = await fetch(await delivery())
    expect([response.status, await response.text()]).toEqual([500, 'The receiver failed.'])
  })

  it('is the same whatever onError does', async () => {
    for (const onError of [() => fail(new Error('log is full')), () => Promise.reject(new Error('log is full'))]) {
      expect((await receiver({ onError }).fetch(await delivery('order'))).status).toBe(400)
      expect((await receiver({ onError, on: { '*': () => fail(new Error()) } }).fetch(await delivery())).status).toBe(500)
    }
  })

  it('comes after onError is done, as a worker may end with it', async () => {
    let told = false
    const onError = async () => {
      await new Promise((resolve) => setImmediate(resolve))
      told = true
    }
    await receiver({ onError, on: { '*': () => fail(new Error()) } }).fetch(await delivery())
    expect(told).toBe(true)
  })
})

describe('errors without onError', () => {
  afterEach(() => void vi.restoreAllMocks())

  it('are printed when they are the receiver’s, not when anybody can cause them', async () => {
    const print = vi.spyOn(console, 'error').mockImplementation(() => {})
    const quiet = webhookHandler({ secret: SECRET, on: {}, maxBytes: 10_000 })
    await quiet.fetch(await delivery(EVENT, 'another secret of somebody'))
    await quiet.fetch(await delivery('x'.repeat(10_001)))
    await quiet.fetch(new Request(URL_OF_HOOK))
    expect(print).not.toHaveBeenCalled()
    const failure = new Error('no database')
    await webhookHandler({ secret: SECRET, on: { '*': () => fail(failure) } }).fetch(await delivery())
    expect(print.mock.calls).toEqual([[`triggers: handler failed for event ${EVENT.event_id}:`, failure]])
    await webhookHandler({ secret: () => '', on: {} }).fetch(await delivery())
    const read = await delivery()
    await read.text()
    await quiet.fetch(read)
    expect(print.mock.calls.slice(1)).toEqual([
      ['triggers: verify failed:', expect.any(TypeError)],
      ['triggers: verify failed:', expect.any(RawBodyRequiredError)],
    ])
  })
})

describe('the secret', () => {
  it('may be several, or what gives them', async () => {
    for (const secret of [['another secret of ours', SECRET], () => SECRET, async () => ['another secret of ours', SECRET]]) {
      expect((await receiver({ secret }).fetch(await delivery())).status).toBe(204)
    }
  })

  it('must be there when the receiver is made', () => {
    for (const secret of ['', [], [''], undefined as never]) expect(() => receiver({ secret })).toThrow(TypeError)
  })

  it('that cannot be got is the receiver’s failure: 500, so that the delivery comes again', async () => {
    for (const secret of [() => '', () => fail(new Error('vault is sealed: token s.1234'))]) {
      const { fetch, errors } = receiver({ secret })
      const response = await fetch(await delivery())
      expect([response.status, await response.text()]).toEqual([500, 'The receiver failed.'])
      expect(errors).toHaveLength(1)
    }
  })

  it('is in nothing that is printed', async () => {
    const { fetch, node, errors } = receiver({ secret: [SECRET, 'another secret of ours'] })
    const response = await fetch(await delivery(EVENT, 'a wrong secret of theirs'))
    const [refused] = errors
    const texts = [inspect({ fetch, node }, { depth: 9, showHidden: true }), inspect(refused, { depth: 9 }), await response.text()]
    expect(refused?.error).toBeInstanceOf(NoMatchingSignatureError)
    for (const text of texts) expect(text).not.toMatch(/RVhBTVBM|secret of ours|secret of theirs/)
  })
})

describe('a body', () => {
  const large = { ...EVENT, payload: { text: 'x'.repeat(2_000) } }
  const size = JSON.stringify(large).length

  it('is taken up to the limit', async () => {
    expect((await receiver({ maxBytes: size }).fetch(await delivery(large))).status).toBe(204)
    const { fetch, errors } = receiver({ maxBytes: size - 1, on: { '*': () => expect.unreachable() } })
    const response = await fetch(await delivery(large))
    expect([response.status, await response.text()]).toEqual([413, `The body is larger than ${size - 1} bytes.`])
    expect(errors).toHaveLength(1)
  })

  it('may have 1 MB unless told, and is not read beyond', async () => {
    expect((await receiver().fetch(await delivery('x'.repeat(1_048_576)))).status).toBe(400)
    expect((await receiver().fetch(await delivery('x'.repeat(1_048_577)))).status).toBe(413)
    let pulled = 0
    const endless = new ReadableStream({
      pull(controller) {
        pulled++
        controller.enqueue(new Uint8Array(65_536))
      },
    })
    const request = new Request(URL_OF_HOOK, { method: 'POST', body: endless, duplex: 'half' } as RequestInit)
    expect((await receiver().fetch(request)).status).toBe(413)
    expect(pulled).toBeLessThan(30)
  })

  it('may come in any number of chunks', async () => {
    const { headers, body } = await signTestWebhook({ ...EVENT, payload: { text: '☂ ünï 🚀' } }, SECRET)
    const bytes = new TextEncoder().encode(body)
    const stream = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
        controller.close()
      },
    })
    const { fetch, events } = receiver()
    expect((await fetch(new Request(URL_OF_HOOK, { method: 'POST', headers, body: stream, duplex: 'half' } as RequestInit))).status).toBe(
      204,
    )
    expect(events).toMatchObject([{ payload: { text: '☂ ünï 🚀' } }])
  })

  it('that was read before is the receiver’s failure, and the error says so', async () => {
    const request = await delivery()
    await request.json()
    const { fetch, errors } = receiver()
    const response = await fetch(request)
    expect(response.status).toBe(500)
    expect(await response.text()).toContain('The body was read before')
    expect(errors[0]?.error).toBeInstanceOf(RawBodyRequiredError)
  })

  it('that breaks off is 500', async () => {
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('reset')) })
    const { fetch, errors } = receiver()
    const request = new Request(URL_OF_HOOK, { method: 'POST', body: broken, duplex: 'half' } as RequestInit)
    expect((await fetch(request)).status).toBe(500)
    expect(errors).toHaveLength(1)
  })
})

describe('with seen, a message', () => {
  it('is handled once', async () => {
    const seen = new Set<string>()
    const { fetch, events } = receiver({ seen })
    for (let times = 0; times < 3; times++) expect((await fetch(await delivery())).status).toBe(204)
    expect(events).toHaveLength(1)
    expect([...seen]).toEqual([MESSAGE_ID])
  })

  it('is not noted when its handler has failed, so that it is handled again', async () => {
    const seen = new Set<string>()
    let times = 0
    const { fetch } = receiver({ seen, on: { '*': () => (++times === 1 ? fail(new Error('at first')) : undefined) } })
    expect((await fetch(await delivery())).status).toBe(500)
    expect(seen.size).toBe(0)
    expect((await fetch(await delivery())).status).toBe(204)
    expect(times).toBe(2)
  })

  it.each(['succeeds', 'fails'])('that comes again while it is handled waits for that: it %s', async (outcome) => {
    const work = gate()
    let times = 0
    const { fetch } = receiver({
      seen: new Set(),
      on: {
        '*': async () => {
          times++
          await work.wait()
        },
      },
    })
    const first = fetch(await delivery())
    await work.entered
    const second = fetch(await delivery())
    const other = fetch(await delivery({ ...EVENT, event_id: '01932d5e-7c1a-7b44-9d0a-000000000000' }))
    if (outcome === 'succeeds') work.open()
    else work.fail(new Error('no'))
    const statuses = (await Promise.all([first, second, other])).map(({ status }) => status)
    expect(statuses).toEqual(outcome === 'succeeds' ? [204, 204, 204] : [500, 500, 500])
    expect(times).toBe(2)
    if (outcome === 'fails') {
      await fetch(await delivery())
      expect(times).toBe(3)
    }
  })

  it('is 500 when it cannot be looked up, and 204 when it cannot be noted, as it is handled', async () => {
    const failure = new Error('no cache')
    const unread = receiver({ seen: { has: () => fail(failure), add: () => {} } })
    expect((await unread.fetch(await delivery())).status).toBe(500)
    expect(unread.events).toEqual([])
    const unwritten = receiver({ seen: { has: async () => false, add: () => Promise.reject(failure) } })
    expect((await unwritten.fetch(await delivery())).status).toBe(204)
    expect(unwritten.events).toHaveLength(1)
    for (const { errors } of [unread, unwritten]) expect(errors).toEqual([{ error: failure, context: { stage: 'seen', event: EVENT } }])
  })

  it('is looked up only when it is genuine', async () => {
    const seen = { has: vi.fn(() => true), add: vi.fn() }
    await receiver({ seen }).fetch(await delivery(EVENT, 'another secret of somebody'))
    expect(seen.has).not.toHaveBeenCalled()
  })
})

describe('in a Node server', () => {
  const serve = async (listener: RequestListener) => {
    const server = createServer(listener).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`
  }
  it('reads the body and answers', async () => {
    const { node, events } = receiver()
    const url = await serve(node)
    expect((await fetch(url, await signTestWebhook(EVENT, SECRET))).status).toBe(204)
    const refused = await fetch(url, await signTestWebhook(EVENT, 'another secret of somebody'))
    expect([refused.status, refused.headers.get('content-type')]).toEqual([401, 'text/plain; charset=utf-8'])
    expect(await refused.text()).toMatch(/wrong secret/)
    const got = await fetch(url)
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST'])
    expect(events).toEqual([EVENT])
  })

  it('answers 413 while the body still comes', async () => {
    const { node, events } = receiver()
    const url = await serve(node)
    const response = await fetch(url, await signTestWebhook('x'.repeat(4_000_000), SECRET))
    expect([response.status, await response.text()]).toEqual([413, 'The body is larger than 1048576 bytes.'])
    expect((await fetch(url, await signTestWebhook(EVENT, SECRET))).status).toBe(204)
    expect(events).toHaveLength(1)
  })

  it.each(['bytes', 'text', 'rawBody'])('takes what a body parser has left as %s', async (form) => {
    const { node, events } = receiver()
    const url = await serve(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      const raw = Buffer.concat(chunks)
      const parsed =
        form === 'rawBody' ? { rawBody: raw, body: JSON.parse(raw.toString()) } : { body: form === 'text' ? raw.toString() : raw }
      await node(Object.assign(request, parsed), response)
    })
    expect((await fetch(url, await signTestWebhook(EVENT, SECRET))).status).toBe(204)
    expect(events).toEqual([EVENT])
  })

  it('holds what a body parser has left to the limit, too', async () => {
    const url = await serve((request, response) => {
      request.resume().on('end', () => receiver({ maxBytes: 10 }).node(Object.assign(request, { body: Buffer.alloc(11) }), response))
    })
    expect((await fetch(url, await signTestWebhook(EVENT, SECRET))).status).toBe(413)
  })

  it('says what to do when a JSON parser was before it', async () => {
    const { node, errors } = receiver()
    const url = await serve(async (request, response) => {
      let text = ''
      for await (const chunk of request) text += chunk
      await node(Object.assign(request, { body: JSON.parse(text) }), response)
    })
    const response = await fetch(url, await signTestWebhook(EVENT, SECRET))
    expect(response.status).toBe(500)
    expect(await response.text()).toMatch(/this is a parsed object\. In Express use express\.raw/)
    expect(errors[0]?.error).toBeInstanceOf(RawBodyRequiredError)
  })

  it('reads the body though a parser that did not has left an empty object', async () => {
    const { node, events } = receiver()
    const url = await serve((request, response) => void node(Object.assign(request, { body: {} }), response))
    expect((await fetch(url, await signTestWebhook(EVENT, SECRET))).status).toBe(204)
    expect(events).toHaveLength(1)
  })

  it('takes it as a failure when the connection is closed before or within the body, whatever event says so', async () => {
    for (const destroyed of [true, false]) {
      const request = Object.assign(new EventEmitter(), { method: 'POST', headers: {}, destroyed })
      const response = { statusCode: 0, setHeader() {}, end: vi.fn() }
      const answered = receiver().node(request, response)
      if (!destroyed) request.emit('close')
      await answered
      expect(response.statusCode).toBe(500)
      expect(response.end).toHaveBeenCalledOnce()
    }
  })

  it('takes it as a failure when the connection ends within the body, and rejects nothing', async () => {
    const told = Promise.withResolvers<unknown>()
    const { node } = receiver({ onError: told.resolve })
    const url = await serve(node)
    const broken = new ReadableStream({
      start: (controller) => controller.enqueue(new Uint8Array(10)),
      pull: (controller) => controller.error(new Error('gone')),
    })
    await expect(fetch(url, { method: 'POST', body: broken, duplex: 'half' } as RequestInit)).rejects.toThrow()
    expect(await told.promise).toBeInstanceOf(Error)
  })
})

it('is the error that says what is wrong with an event without a type', async () => {
  const { fetch, errors } = receiver()
  await fetch(await delivery('{"event_id": "a"}'))
  expect(errors[0]?.error as SignatureVerificationError).toBeInstanceOf(MalformedBodyError)
})

function fail(error: unknown): never {
  throw error
}

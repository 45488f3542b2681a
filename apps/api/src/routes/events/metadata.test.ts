import { describe, expect, it } from 'vitest'
import { createEvent, expectRefused, getEvent, INPUT } from '../../testing/events.ts'
import { sharedApp } from '../../testing/test-app.ts'

const app = await sharedApp()

/** Sends an event with that metadata; text is sent as it is. */
const send = (metadata: unknown) => {
  const text = typeof metadata === 'string' ? metadata : JSON.stringify(metadata)
  return app.request('/v1/events', { method: 'POST', body: JSON.stringify(INPUT).replace(/}$/, `,"metadata":${text}}`) })
}

async function stored(metadata: unknown) {
  const key = app.key()
  const { event_id } = await createEvent(app, key, { metadata })
  return (await getEvent(app, key, event_id)).body.metadata
}

const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]))

describe('metadata', () => {
  it.each([undefined, null, {}])('that is %j reads as a normal priority', async (metadata) => {
    expect(await stored(metadata)).toEqual({ priority: 'normal' })
  })

  it.each(['low', 'normal', 'high'])('takes the priority %s', async (priority) => {
    expect(await stored({ priority })).toEqual({ priority })
  })

  it('keeps strings, numbers and booleans', async () => {
    const metadata = {
      correlation_id: 'c-1',
      idempotency_key: 'i-1',
      priority: 'low',
      text: 'é 😀',
      empty: '',
      line: 'a\nb',
      whole: -7,
      decimal: 0.1,
      tiny: 1e-7,
      biggest: 9_007_199_254_740_991,
      smallest: -9_007_199_254_740_991,
      yes: true,
      no: false,
    }
    expect(await stored(metadata)).toEqual(metadata)
  })

  it('takes null members as if absent', async () => {
    expect(await stored({ priority: null, correlation_id: null, idempotency_key: null, region: null, kept: 1 })).toEqual({
      priority: 'normal',
      kept: 1,
    })
  })

  it('does not count null members and the three named keys', async () => {
    const metadata = { ...keys(20), correlation_id: 'c', priority: 'high', idempotency_key: 'i' }
    expect(await stored({ ...metadata, gone: null })).toEqual(metadata)
  })

  it('keeps the key `__proto__`', async () => {
    const answer = await send('{"__proto__":"x"}')
    const { text } = await app.request(`/v1/events/${answer.body.event_id}`)
    expect(text).toContain('"metadata":{"__proto__":"x","priority":"normal"}')
  })

  it.each(['A', 'a.b-c_D.9', '0', 'k'.repeat(64)])('takes the key %s', async (key) => {
    expect(await stored({ [key]: 'v' })).toEqual({ [key]: 'v', priority: 'normal' })
  })

  it.each(['', 'a b', 'a/b', 'é', 'a[0]', '$x', 'a:b', '😀', 'k'.repeat(65)])('refuses the key %j', async (key) => {
    expectRefused(await send({ [key]: 'v' }), 400, `metadata.${key}`)
  })

  it('refuses a 21st key', async () => {
    expectRefused(await send(keys(21)), 400, 'metadata')
  })

  it.each(['[]', '"text"', '7', 'true', '[{}]', '[[[[[[1]]]]]]'])('that is %s is refused', async (metadata) => {
    expectRefused(await send(metadata), 400, 'metadata')
  })

  it.each(['urgent', 'High', '', 1, true, ['high'], { level: 'high' }])('refuses the priority %j', async (priority) => {
    expectRefused(await send({ priority }), 400, 'metadata.priority')
  })

  it.each(['correlation_id', 'idempotency_key', 'region'])('refuses in %s what is too long, nested or no text', async (key) => {
    expect((await send({ [key]: '😀'.repeat(256) })).status).toBe(201)
    for (const value of ['x'.repeat(257), '😀'.repeat(257), 'a\u0000', '\ud800', '\udc00x', [], ['x'], {}, { a: 1 }]) {
      expectRefused(await send({ [key]: value }), 400, `metadata.${key}`)
    }
    expectRefused(await send(`{"${key}":${'['.repeat(1000)}${']'.repeat(1000)}}`), 400, `metadata.${key}`)
  })

  it.each(['correlation_id', 'idempotency_key'])('refuses a %s that is no string', async (key) => {
    for (const value of [1, true]) expectRefused(await send({ [key]: value }), 400, `metadata.${key}`)
  })

  it('refuses an empty idempotency key', async () => {
    expectRefused(await send({ idempotency_key: '' }), 400, 'metadata.idempotency_key')
  })

  it.each(['9007199254740992', '-9007199254740992', '9007199254740993', '1e21', '123456789012345678901234567890', '1e400', '-1e400'])(
    'refuses the number %s',
    async (number) => {
      expectRefused(await send(`{"n":${number}}`), 400, 'metadata.n')
    },
  )

  it('refuses a duplicate key', async () => {
    expectRefused(await send('{"a":1,"\\u0061":1}'), 400, 'metadata.a')
    expectRefused(await send('{"priority":"low","priority":"high"}'), 400, 'metadata.priority')
  })
})

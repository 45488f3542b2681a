import { describe, expect, it } from 'vitest'
import { createEvent, expectRefused, getEvent, INPUT } from '../../testing/events.ts'
import { sharedApp } from '../../testing/test-app.ts'

const app = await sharedApp()

const post = (body: unknown, key = app.key()) => app.request('/v1/events', { method: 'POST', key, body })
const V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('creating an event', () => {
  it('answers its id, its time and that it is pending', async () => {
    const answer = await app.request('/v1/events', { method: 'POST', body: INPUT, headers: { 'x-request-id': 'create-1' } })
    expect([answer.status, answer.body]).toEqual([
      201,
      {
        event_id: expect.stringMatching(V7),
        created_at: expect.stringMatching(/^2025-11-21T08:00:00\.\d{6}Z$/),
        status: 'pending',
        message: expect.stringMatching(/.+/),
        request_id: 'create-1',
      },
    ])
    expect(answer.headers.get('idempotent-replayed')).toBeNull()
  })

  it('stores what was sent', async () => {
    const key = app.key()
    const metadata = { correlation_id: 'c-1', priority: 'high', region: 'eu', attempt: 2, vip: true }
    const { event_id, created_at } = await createEvent(app, key, { metadata })
    const { body } = await getEvent(app, key, event_id)
    expect(body).toEqual({
      event_id,
      created_at,
      ...INPUT,
      status: 'pending',
      metadata,
      acknowledged_at: null,
      request_id: expect.any(String),
    })
  })

  it('gives ids and times that rise', async () => {
    const key = app.key()
    const created = [
      await createEvent(app, key),
      await createEvent(app, key),
      ...(await Promise.all(Array.from({ length: 20 }, () => createEvent(app, key)))),
    ]
    const byTime = [...created].sort((a, b) => (a.created_at < b.created_at ? -1 : 1))
    expect(new Set(created.map(({ created_at }) => created_at)).size).toBe(created.length)
    expect(byTime.map(({ event_id }) => event_id)).toEqual(created.map(({ event_id }) => event_id).sort())
    expect(byTime.slice(0, 2)).toEqual(created.slice(0, 2))
  })

  it.each(['source', 'event_type', 'payload'])('needs %s', async (field) => {
    const answer = await post({ ...INPUT, [field]: undefined })
    expectRefused(answer, 400, field)
    expect(answer.body.error.details.issue).toBe('is required')
  })

  it('stores nothing of what it refuses', async () => {
    const key = app.key()
    const refused = [
      await post({ ...INPUT, extra: 1 }, key),
      await post({ ...INPUT, payload: [] }, key),
      await post('{', key),
      await post({ ...INPUT, metadata: { priority: 'urgent' } }, key),
      await post({ ...INPUT, payload: { text: 'x'.repeat(409_600) } }, key),
      await app.request('/v1/events?x=1', { method: 'POST', key, body: INPUT }),
      await app.request('/v1/events', { method: 'POST', key, body: INPUT, headers: { 'content-type': 'text/plain' } }),
    ]
    expect(refused.map(({ status }) => status)).toEqual([400, 400, 400, 400, 413, 422, 415])
    expect((await app.request('/v1/events', { key })).body.events).toEqual([])
  })
})

describe('a type of our own events', () => {
  it.each(['triggers.', 'triggers.webhook.disabled', 'triggers.anything', '  triggers.x '])('is refused: "%s"', async (event_type) => {
    const key = app.key()
    const answer = await post({ ...INPUT, event_type }, key)
    expectRefused(answer, 400, 'event_type')
    expect(answer.body.error.details).toMatchObject({
      issue: expect.stringContaining('must not begin with `triggers.`'),
      suggestion: expect.stringContaining('a name of your own'),
    })
    expect((await app.request('/v1/events', { key })).body.events).toEqual([])
  })

  it.each(['triggers', 'Triggers.x', 'triggersx.y', 'my.triggers.x', 'webhook.disabled'])('is not %s', async (event_type) => {
    await createEvent(app, app.key(), { event_type })
  })

  it('may be asked for in a list, which has none', async () => {
    const answer = await app.request('/v1/events?event_type=triggers.delivery.dead', { key: app.key() })
    expect([answer.status, answer.body.events]).toEqual([200, []])
  })
})

describe.each(['source', 'event_type'])('%s', (field) => {
  const stored = async (value: string) => {
    const key = app.key()
    const { event_id } = await createEvent(app, key, { [field]: value })
    return (await getEvent(app, key, event_id)).body[field]
  }

  it.each([
    ['plain text', 'shop'],
    ['one character', 'x'],
    ['100 characters', 'x'.repeat(100)],
    ['100 code points of two units each', '😀'.repeat(100)],
    ['any script', 'магазин 商店 "quoted" \\ <b>'],
    ['a name that means something to JavaScript', '__proto__'],
  ])('takes %s', async (_, value) => {
    expect(await stored(value)).toBe(value)
  })

  it('is stored trimmed, and measured so', async () => {
    expect(await stored('  shop\t\n')).toBe('shop')
    expect(await stored(`  ${'😀'.repeat(100)}  `)).toBe('😀'.repeat(100))
  })

  it.each([
    ['nothing', ''],
    ['white space alone', ' \t\n '],
    ['101 characters', 'x'.repeat(101)],
    ['101 code points', '😀'.repeat(101)],
    ['NUL', 'a\u0000b'],
    ['a control character', 'a\u001fb'],
    ['a line break', 'a\nb'],
    ['DEL', 'a\u007fb'],
    ['a C1 control character', 'a\u0085b'],
    ['a lone high surrogate', 'a\ud800'],
    ['a lone low surrogate', '\udc00a'],
    ['null', null],
    ['a number', 7],
    ['a boolean', true],
    ['a list', ['shop']],
    ['an object', { name: 'shop' }],
  ])('refuses %s', async (_, value) => {
    expectRefused(await post({ ...INPUT, [field]: value }), 400, field)
  })
})

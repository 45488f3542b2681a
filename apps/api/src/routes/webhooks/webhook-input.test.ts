import { describe, expect, it } from 'vitest'
import { expectRefused } from '../../testing/events.ts'
import { sharedApp, testApp } from '../../testing/test-app.ts'
import { createWebhook, postWebhook } from '../../testing/webhooks.ts'
import { newUuid } from '../../uuid.ts'

const app = await sharedApp()

describe('making a webhook refuses', () => {
  const entries = <Value>(count: number, value: Value) => Array.from({ length: count }, () => value)
  const named = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'v']))
  const condition = (fields: object) => ({ filter: { payload: [{ path: '$.a', op: 'equals', value: 1, ...fields }] } })

  it.each([
    ['url', { url: undefined }],
    ['url', { url: '' }],
    ['url', { url: 7 }],
    ['url', { url: 'example.com/hook' }],
    ['url', { url: 'https:example.com' }],
    ['url', { url: 'https:///hook' }],
    ['url', { url: 'ftp://example.com' }],
    ['url', { url: 'javascript:alert(1)' }],
    ['url', { url: 'https://exa mple.com' }],
    ['url', { url: 'https://exam\nple.com/' }],
    ['url', { url: 'https://exa\u0000mple.com/' }],
    ['url', { url: 'https://example.com:99999/' }],
    ['url', { url: 'https://user@example.com/' }],
    ['url', { url: 'https://user:password@example.com/' }],
    ['url', { url: 'https://@example.com/' }],
    ['url', { url: 'https://example.com\\@10.0.0.1/' }],
    ['url', { url: `https://example.com/${'x'.repeat(2029)}` }],
    ['url', { url: 'https://private.test/hook' }],
    ['url', { url: 'https://10.1.2.3/hook' }],
    ['url', { url: 'https://169.254.169.254/latest' }],
    ['url', { url: 'https://metadata.test/' }],
    ['url', { url: 'https://[fd00::1]/' }],
    ['events', { events: undefined }],
    ['events', { events: [] }],
    ['events', { events: '*' }],
    ['events', { events: null }],
    ['events', { events: entries(51, 'a.b') }],
    ['events.1', { events: ['*', ''] }],
    ['events.0', { events: ['user*'] }],
    ['events.0', { events: ['*.created'] }],
    ['events.0', { events: ['.*'] }],
    ['events.0', { events: ['a\u0000b'] }],
    ['events.0', { events: ['x'.repeat(101)] }],
    ['events.0', { events: [1] }],
    ['secret', { secret: 'x'.repeat(15) }],
    ['secret', { secret: '' }],
    ['secret', { secret: '😀'.repeat(15) }],
    ['secret', { secret: 'x'.repeat(257) }],
    ['secret', { secret: `${'x'.repeat(16)}\n` }],
    ['secret', { secret: `${'x'.repeat(16)}\ud800` }],
    ['secret', { secret: 1234567890123456 }],
    ['is_active', { is_active: 'true' }],
    ['is_active', { is_active: null }],
    ['description', { description: 'x'.repeat(501) }],
    ['description', { description: 'a\u0000' }],
    ['description', { description: 1 }],
    ['headers', { headers: [] }],
    ['headers', { headers: 'x: y' }],
    ['headers', { headers: named(21) }],
    ['headers.x-a', { headers: { 'x-a': 1 } }],
    ['headers.x-a', { headers: { 'x-a': null } }],
    ['headers.x-a', { headers: { 'x-a': 'x'.repeat(1025) } }],
    ['headers.x-a', { headers: { 'x-a': 'a\r\nb: c' } }],
    ['headers.x-a', { headers: { 'x-a': 'é' } }],
    ['headers.x a', { headers: { 'x a': 'v' } }],
    ['headers.X-A', { headers: { 'x-a': 'v', 'X-A': 'w' } }],
    ['headers.Host', { headers: { Host: 'v' } }],
    ['headers.content-type', { headers: { 'content-type': 'v' } }],
    ['headers.Webhook-Id', { headers: { 'Webhook-Id': 'v' } }],
    ['headers.x-webhook-more', { headers: { 'x-webhook-more': 'v' } }],
    ['headers.transfer-encoding', { headers: { 'transfer-encoding': 'chunked' } }],
    ['rate_limit', { rate_limit: 0 }],
    ['rate_limit', { rate_limit: 1001 }],
    ['rate_limit', { rate_limit: 1.5 }],
    ['rate_limit', { rate_limit: '5' }],
    ['retry', { retry: 'long' }],
    ['payload_format', { payload_format: 'xml' }],
    ['filter', { filter: [] }],
    ['filter', { filter: 'source=a' }],
    ['filter.colour', { filter: { colour: 'red' } }],
    ['filter.source', { filter: { source: [] } }],
    ['filter.source', { filter: { source: 'shop' } }],
    ['filter.source.0', { filter: { source: [' '] } }],
    ['filter.source', { filter: { source: entries(21, 'shop') } }],
    ['filter.priority.0', { filter: { priority: ['urgent'] } }],
    ['filter.metadata', { filter: { metadata: [] } }],
    ['filter.metadata', { filter: { metadata: {} } }],
    ['filter.metadata', { filter: { metadata: named(21) } }],
    ['filter.metadata.a b', { filter: { metadata: { 'a b': 'x' } } }],
    ['filter.metadata.a', { filter: { metadata: { a: null } } }],
    ['filter.metadata.a', { filter: { metadata: { a: { b: 1 } } } }],
    ['filter.metadata.payload', { filter: { metadata: { payload: {} } } }],
    ['filter.metadata.a', { filter: { metadata: { a: 2 ** 53 } } }],
    ['filter.metadata.a', { filter: { metadata: { a: 'x'.repeat(257) } } }],
    ['filter.payload', { filter: { payload: {} } }],
    ['filter.payload', { filter: { payload: entries(21, { path: '$.a', op: 'exists' }) } }],
    ['filter.payload.0.op', condition({ op: 'like' })],
    ['filter.payload.0.path', condition({ path: 'user.id' })],
    ['filter.payload.0.path', condition({ path: '$.*' })],
    ['filter.payload.0.path', condition({ path: undefined })],
    ['filter.payload.0.path', condition({ path: '$..id' })],
    ['filter.payload.0.value', condition({ value: undefined })],
    ['filter.payload.0.value', condition({ value: {} })],
    ['filter.payload.0.value', condition({ value: 2 ** 53 })],
    ['filter.payload.0.value', condition({ value: '\ud800' })],
    ['filter.payload.0.value', condition({ op: 'in', value: [] })],
    ['filter.payload.0.value', condition({ op: 'in', value: 'a' })],
    ['filter.payload.0.value', condition({ op: 'exists', value: 'yes' })],
    ['filter.payload.0.value', condition({ op: 'prefix', value: 1 })],
    ['filter.payload.0.value', condition({ op: 'prefix', value: '😀'.repeat(1025) })],
    ['filter.payload.0.path', condition({ path: `$['${'😀'.repeat(508)}']` })],
    ['filter.payload.0.value', condition({ op: 'range', value: {} })],
    ['filter.payload.0.value', condition({ op: 'range', value: { gt: 1, lt: 'a' } })],
    ['filter.payload.0.value', condition({ op: 'range', value: { gt: 2, lt: 1 } })],
    ['filter.payload.0.value.above', condition({ op: 'range', value: { above: 1 } })],
    ['filter.payload.0.values', condition({ values: [] })],
    ['webhook_id', { webhook_id: newUuid(0) }],
    ['created_at', { created_at: '2025-11-21' }],
    ['colour', { colour: 'red' }],
  ])('%s that is %j', async (field, fields) => {
    expectRefused(await postWebhook(app, app.key(), fields), 400, field)
  })

  it('nothing at the limits', async () => {
    const at = {
      url: `https://example.com/${'x'.repeat(2028)}`,
      events: Array.from({ length: 50 }, (_, index) => `type.${index}`),
      secret: '😀'.repeat(256),
      description: '😀'.repeat(500),
      headers: Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`x-${index}`, 'v'.repeat(1024)])),
      rate_limit: 1000,
      filter: {
        source: entries(20, '😀'.repeat(100)),
        payload: [
          ...entries(18, { path: '$.a', op: 'exists' }),
          { path: `$['${'😀'.repeat(507)}']`, op: 'exists' },
          { path: '$.a', op: 'prefix', value: '😀'.repeat(1024) },
        ],
      },
    }
    const { headers: _, secret: __, ...read } = at
    expect(await createWebhook(app, app.key(), at)).toMatchObject(read)
  })

  it.each([
    ['credentials in the url, and says where they go', { url: 'https://user:password@example.com/' }, /user name or password/, /`headers`/],
    ['an address, and says which are taken', { url: 'https://10.1.2.3/' }, /private or reserved/, /public address/],
    ['an unknown op, and lists those that are known', condition({ op: 'like' }), /^must be one of "equals", "in"/, /\/docs/],
    ['a choice of nothing', condition({ op: 'in', value: [] }), /^must have at least one entry$/, /\/docs/],
  ])('%s', async (_, fields, issue, suggestion) => {
    const { details } = (await postWebhook(app, app.key(), fields)).body.error
    expect(details.errors).toHaveLength(1)
    expect(details).toMatchObject({ issue: expect.stringMatching(issue), suggestion: expect.stringMatching(suggestion) })
    expect(JSON.stringify(details)).not.toContain('password@')
  })

  it('a secret that is wrong without repeating it', async () => {
    const answer = await postWebhook(app, app.key(), { secret: 'too-short-001' })
    expect(answer.text).not.toContain('too-short')
  })

  it('the value of a header without repeating it', async () => {
    const answer = await postWebhook(app, app.key(), { headers: { 'x-a': 't0ps3cret\u0001' } })
    expectRefused(answer, 400, 'headers.x-a')
    expect(answer.text).not.toContain('t0ps3cret')
  })

  it('http and this machine, unless the server allows them', async () => {
    const local = app
    for (const url of ['http://example.com/', 'http://127.0.0.1:1/', 'http://localhost:1/'])
      await createWebhook(local, local.key(), { url })
    const strict = await testApp({ AUTH_MODE: 'keys', ENCRYPTION_KEY: `main:${Buffer.alloc(32, 1).toString('base64')}` })
    for (const url of ['http://example.com/', 'HTTP://example.com/', 'https://127.0.0.1:1/', 'https://[::1]/', 'https://0x7f.1/']) {
      expectRefused(await postWebhook(strict, strict.key(), { url }), 400, 'url')
    }
  })

  it('what the operator did not open, and takes what is open', async () => {
    const own = await testApp({ WEBHOOK_ALLOWED_CIDRS: '10.0.0.0/24', WEBHOOK_ALLOW_HTTP: 'false' })
    await createWebhook(own, own.key(), { url: 'https://private.test/' })
    expectRefused(await postWebhook(own, own.key(), { url: 'http://private.test/' }), 400, 'url')
    expectRefused(await postWebhook(own, own.key(), { url: 'https://10.0.1.1/' }), 400, 'url')
    expectRefused(await postWebhook(own, own.key(), { url: 'https://metadata.test/' }), 400, 'url')
  })
})

import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { eventRecord, storedWebhook } from '../testing/webhook-records.ts'
import { VERSION } from '../version.ts'
import { deliveryRequest, type OpenWebhook } from './delivery-request.ts'

const NOW_US = Date.UTC(2025, 10, 21, 9) * 1000 + 999_999
const SECRET = 'whsec_BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSY='
const OLD = 'whsec_KCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/QEFCQ0RFRkc='
const event = eventRecord({ payload: '{"b":1.0,"a":9007199254740993,"text":"é\\u0000"}', metadata: '{"priority":"high","region":"eu"}' })

const open = (fields: Partial<OpenWebhook> = {}): OpenWebhook => ({
  record: storedWebhook(),
  secrets: [{ secret: SECRET, expiresAtUs: null }],
  headers: {},
  ...fields,
})
const textOf = ({ body }: { body: Uint8Array }) => Buffer.from(body).toString()

const EVENT_JSON =
  '{"event_id":"01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e","created_at":"2025-11-21T08:00:00.000000Z","source":"shop","event_type":"order.paid",' +
  '"payload":{"b":1.0,"a":9007199254740993,"text":"é\\u0000"},"status":"pending","metadata":{"priority":"high","region":"eu"},"acknowledged_at":null}'

describe('the body', () => {
  it('is the event as it is read, its payload as it was sent', () => {
    expect(textOf(deliveryRequest(open(), event, NOW_US))).toBe(EVENT_JSON)
    const acknowledged = eventRecord({ status: 'acknowledged', acknowledgedAtUs: NOW_US })
    expect(textOf(deliveryRequest(open(), acknowledged, NOW_US))).toContain('"acknowledged_at":"2025-11-21T09:00:00.999999Z"')
  })

  it('has the event under data in the format standard', () => {
    const webhook = open({ record: storedWebhook({ payloadFormat: 'standard' }) })
    expect(textOf(deliveryRequest(webhook, event, NOW_US))).toBe(
      `{"type":"order.paid","timestamp":"2025-11-21T08:00:00.000000Z","data":${EVENT_JSON}}`,
    )
  })
})

describe('the headers', () => {
  it('are all there, named in lower case', () => {
    const request = deliveryRequest(open(), event, NOW_US)
    const standard = createHmac('sha256', Buffer.from(SECRET.slice(6), 'base64'))
      .update(`msg_01932d5e7c1a7b449d0a5f3e2b1c4d6e.1763715600.${EVENT_JSON}`)
      .digest('base64')
    expect(request.url).toBe('https://example.com/hook')
    expect(request.headers).toEqual({
      'user-agent': `Triggers/${VERSION}`,
      'content-type': 'application/json',
      'webhook-id': 'msg_01932d5e7c1a7b449d0a5f3e2b1c4d6e',
      'webhook-timestamp': '1763715600',
      'webhook-signature': `v1,${standard}`,
      'x-webhook-id': '01932d5e-0000-7000-8000-000000000001',
      'x-webhook-timestamp': '2025-11-21T09:00:00.999999Z',
      'x-webhook-signature': createHmac('sha256', SECRET).update(EVENT_JSON).digest('hex'),
    })
  })

  it('have the same id at each attempt, and the time of that one', () => {
    const [first, later] = [NOW_US, NOW_US + 5e6].map((nowUs) => deliveryRequest(open(), event, nowUs))
    expect(later?.headers['webhook-id']).toBe(first?.headers['webhook-id'])
    expect([later?.headers['webhook-timestamp'], later?.headers['x-webhook-timestamp']]).toEqual([
      '1763715605',
      '2025-11-21T09:00:05.999999Z',
    ])
    expect(later?.headers['webhook-signature']).not.toBe(first?.headers['webhook-signature'])
    expect(later?.headers['x-webhook-signature']).toBe(first?.headers['x-webhook-signature'])
  })

  it("have the owner's own beside them, which replace none of them", () => {
    const own = { Authorization: 'Bearer x', 'User-Agent': 'mine', 'X-Webhook-Signature': 'forged', 'Content-Type': 'text/plain' }
    const headers: Record<string, string> = { ...own, ...JSON.parse('{"__proto__":"a name"}') }
    const { headers: sent } = deliveryRequest(open({ headers }), event, NOW_US)
    const { headers: plain } = deliveryRequest(open(), event, NOW_US)
    expect(Object.entries(sent).sort()).toEqual(
      Object.entries({ ...plain, authorization: 'Bearer x', 'user-agent': 'mine' })
        .concat([['__proto__', 'a name']])
        .sort(),
    )
  })
})

describe('a rotated secret', () => {
  const rotated = open({
    secrets: [
      { secret: SECRET, expiresAtUs: null },
      { secret: OLD, expiresAtUs: NOW_US },
    ],
  })
  const signed = (webhook: OpenWebhook, nowUs: number) => {
    const { headers } = deliveryRequest(webhook, event, nowUs)
    return [headers['webhook-signature'], headers['x-webhook-signature']]
  }

  it('signs with the old one until the end of the overlap, and not from then on', () => {
    const before = NOW_US - 1
    const [fresh] = signed(open(), before)
    const [former, formerPlain] = signed(open({ secrets: [{ secret: OLD, expiresAtUs: null }] }), before)
    expect(signed(rotated, before)).toEqual([`${fresh} ${former}`, formerPlain])
    expect(signed(rotated, NOW_US)).toEqual(signed(open(), NOW_US))
  })

  it('never sends unsigned', () => {
    expect(() => deliveryRequest(open({ secrets: [{ secret: OLD, expiresAtUs: NOW_US }] }), event, NOW_US)).toThrow('no valid secret')
  })
})

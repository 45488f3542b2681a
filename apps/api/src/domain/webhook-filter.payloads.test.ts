import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type EventRecord, PRIORITIES } from '../ports.ts'
import { eventRecord } from '../testing/webhook-records.ts'
import type { PayloadCondition, WebhookFilter } from '../webhook-ports.ts'
import { filterMismatch } from './webhook-filter.ts'

const matches = (filter: WebhookFilter, one: EventRecord) => filterMismatch(filter, one) === undefined
const holds = (condition: PayloadCondition, one: EventRecord) => matches({ payload: [condition] }, one)

describe('an event', () => {
  const name = fc.oneof(fc.string({ unit: 'binary', maxLength: 5 }), fc.constantFrom('__proto__', 'constructor', 'a b', "it's"))
  const scalar = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  )
  const { payload } = fc.letrec((tie) => ({
    payload: fc.array(fc.tuple(name, tie('value')), { maxLength: 4 }).map((members) => Object.fromEntries(members)),
    value: fc.oneof({ maxDepth: 3 }, scalar, tie('payload'), fc.array(tie('value'), { maxLength: 4 })),
  }))
  const metadata = fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), fc.oneof(fc.string(), fc.integer(), fc.boolean()), {
    noNullPrototype: true,
    maxKeys: 4,
  })

  it('matches every filter of its own values', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.constantFrom(...PRIORITIES), metadata, payload, (source, priority, own, value) => {
        const one = eventRecord({ source, metadata: JSON.stringify({ ...own, priority }), payload: JSON.stringify(value) })
        const filter: WebhookFilter = {
          source: ['x', source],
          priority: [priority],
          metadata: own,
          payload: [...conditionsOf(JSON.parse(one.payload), '$')],
        }
        expect(filterMismatch(filter, one)).toBeUndefined()
      }),
    )
  })

  it('is held against any filter without a throw', () => {
    const anything = fc.oneof(scalar, fc.array(scalar))
    const condition = fc.record({
      path: fc.oneof(fc.constant('$.a'), fc.string({ unit: 'binary' })),
      op: fc.constantFrom('equals', 'prefix'),
      value: fc.string(),
    })
    fc.assert(
      fc.property(payload, anything, condition, (value, a, one) => {
        const payloadText = JSON.stringify({ ...(typeof value === 'object' ? value : {}), a })
        filterMismatch({ payload: [one as PayloadCondition] }, eventRecord({ payload: payloadText })) // The shapes of both ops are alike.
      }),
    )
  })
})

/** Conditions that hold for what a payload has, and at the places of it. */
function* conditionsOf(value: unknown, path: string): Generator<PayloadCondition> {
  if (path !== '$') yield { path, op: 'exists' }
  if (value === null || typeof value === 'boolean') yield { path, op: 'equals', value }
  if (typeof value === 'number' || typeof value === 'string') {
    yield { path, op: 'equals', value }
    yield { path, op: 'in', value: [null, value] }
    yield { path, op: 'range', value: { gte: value, lte: value } }
  }
  if (typeof value === 'string') yield { path, op: 'prefix', value: value.slice(0, 2) }
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value))
    yield* conditionsOf(member, `${path}[${Array.isArray(value) ? key : JSON.stringify(key)}]`)
}

describe('payloads of strangers', () => {
  it('may be nested as deep as any, and hold names by the thousand', () => {
    const deep = eventRecord({ payload: `${'{"a":'.repeat(127)}{"a":7}${'}'.repeat(127)}` })
    expect(holds({ path: `$${'.a'.repeat(128)}`, op: 'equals', value: 7 }, deep)).toBe(true)
    const wide = eventRecord({
      payload: JSON.stringify(Object.fromEntries(Array.from({ length: 30_000 }, (_, index) => [`k${index}`, index]))),
    })
    expect(holds({ path: '$.k29999', op: 'equals', value: 29_999 }, wide)).toBe(true)
  })

  it('are parsed once, however many filters look at them', () => {
    const large = eventRecord({
      payload: `{"n":0.1${'0'.repeat(150_000)}1,"t":"${'x'.repeat(150_000)}","list":[${'1e1,'.repeat(20_000)}1]}`,
    })
    const filter: WebhookFilter = {
      payload: [
        { path: '$.n', op: 'range', value: { gt: 0.1 } },
        { path: '$.t', op: 'prefix', value: 'x'.repeat(1000) },
        { path: '$.list[20000]', op: 'equals', value: 1 },
        { path: '$.list[7]', op: 'equals', value: 10 },
      ],
    }
    // Parsed each time, this would take minutes.
    for (let count = 0; count < 20_000; count++) expect(matches(filter, large)).toBe(true)
  })

  it('are left alone by filters that do not ask for them', () => {
    const broken = eventRecord({ payload: 'no JSON', metadata: '{"priority":"high","region":"eu"}' })
    expect(matches({ source: ['shop'], priority: ['high'], metadata: { region: 'eu' } }, broken)).toBe(true)
    expect(matches({ source: ['shop'] }, { ...broken, metadata: 'no JSON' })).toBe(true)
  })
})

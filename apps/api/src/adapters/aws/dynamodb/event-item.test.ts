import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { EventRecord } from '../../../ports.ts'
import { newUuid } from '../../../uuid.ts'
import { newEvent, newEventWith } from '../../conformance/harness.ts'
import { eventItems, eventRecordOf, fieldKey, itemBytes, partKeys } from './event-item.ts'

const US = Date.parse('2025-11-21T08:00:00Z') * 1000
const WORKSPACE = { workspaceId: 'ws', shards: [{ fromUs: 0, count: 1 }] }
/** DynamoDB's limit. */
const MAX_ITEM_BYTES = 409_600

const eventId = newUuid(US)
const itemsOf = (event: Parameters<typeof eventItems>[1], fields: readonly string[] = []) =>
  eventItems(WORKSPACE, event, eventId, { eventTtlUs: 86_400e6, indexes: { all: fields, ready: [] } })

const incompressible = (bytes: number) => JSON.stringify({ data: randomBytes(bytes).toString('base64') })

describe('an event as items', () => {
  it.each([
    ['short', '{"n":1}', 1],
    ['long', JSON.stringify({ text: 'word '.repeat(80_000) }), 1],
    ['of the greatest size, and shrinking little', incompressible(307_180), 1],
    ['larger than an item', incompressible(700_000), 4],
    ['with signs of every length and lone surrogates escaped', `{"t":"é漢😀\\ud800${'é漢😀:'.repeat(300)}"}`, 1],
  ])('is as it was: %s', (_, payload, count) => {
    const event = newEventWith({ note: '7:{"é"}\n😀' }, { payload })
    const { item, parts } = itemsOf(event)
    expect(1 + parts.length).toBe(count)
    for (const one of [item, ...parts]) expect(itemBytes(one)).toBeLessThan(MAX_ITEM_BYTES)
    expect(partKeys(item)).toEqual(parts.map(({ pk, sk }) => ({ pk, sk })))
    expect(eventRecordOf(item, parts.toReversed())).toEqual({
      eventId,
      createdAtUs: US,
      source: event.source,
      eventType: event.eventType,
      metadata: event.metadata,
      payload,
      status: 'pending',
      acknowledgedAtUs: null,
    })
  })

  it('is smaller than its texts when they are long', () => {
    const { item } = itemsOf(newEvent({ payload: JSON.stringify({ text: 'word '.repeat(80_000) }) }))
    expect(itemBytes(item)).toBeLessThan(2000)
  })

  it('is not read with a part missing', () => {
    const { item, parts } = itemsOf(newEvent({ payload: incompressible(700_000) }))
    expect(() => eventRecordOf(item, parts.slice(1))).toThrow(/part/)
  })

  it('may be acknowledged already when it comes from another store', () => {
    const record: EventRecord = { ...eventRecordOf(itemsOf(newEvent()).item), status: 'acknowledged', acknowledgedAtUs: US + 5 }
    const { item } = itemsOf(record, ['source'])
    expect(eventRecordOf(item)).toEqual(record)
    expect([item['pending'], item['state']]).toEqual([undefined, `1#${eventId}`])
  })
})

describe('the attributes that indexes are made of', () => {
  const event = newEventWith({ region: 'eu', n: 2, flag: true }, { source: 's', eventType: 't', priority: 'low' })

  it('are those of the indexes alone', () => {
    const fields = ['source', 'event_type', 'priority', 'metadata.region', 'metadata.n', 'metadata.flag', 'metadata.other']
    const { item } = itemsOf(event, fields)
    expect(item).toMatchObject({
      pending: 'ws#0',
      state: `0#${eventId}`,
      by_source: 'ws#0#s',
      by_event_type: 'ws#0#t',
      by_priority: 'ws#0#low',
      'by_metadata.region': 'ws#0#eu',
      'by_metadata.n': 'ws#0#2',
      'by_metadata.flag': 'ws#0#true',
    })
    expect(item).not.toHaveProperty(['by_metadata.other'])
    expect(Object.keys(itemsOf(event).item).filter((name) => /^by_|^state$/.test(name))).toEqual([])
  })

  it('are keys that DynamoDB takes, whatever the value', () => {
    const [long, other] = ['x'.repeat(3000), `${'x'.repeat(2999)}y`]
    expect(fieldKey('ws#0', '')).toBe('ws#0#')
    expect(Buffer.byteLength(fieldKey('ws#0', long))).toBeLessThan(100)
    expect(fieldKey('ws#0', long)).not.toBe(fieldKey('ws#0', other))
    expect(fieldKey('ws#0', 'a\ud800').isWellFormed()).toBe(true)
  })
})

import { UnsupportedPathError } from 'hono/router'
import { describe, expect, it } from 'vitest'
import { RouteTable } from './route-table.ts'

const table = new RouteTable<string>()
table.add('GET', '/v1/events/:event_id', 'get')
table.add('GET', '/v1/events/bulk', 'bulk')
table.add('GET', '/v1/:resource/bulk', 'second')
table.add('DELETE', '/v1/events/:event_id', 'delete')
table.add('POST', '/v1/events/:event_id/ack', 'ack')
table.add('GET', '/v1/inbox', 'inbox')
table.add('GET', '/v1/inbox', 'inbox, too')

describe('a route table', () => {
  it.each([
    [
      'GET',
      '/v1/inbox',
      [
        ['inbox', {}],
        ['inbox, too', {}],
      ],
    ],
    ['GET', '/v1/events/bulk', [['bulk', {}]]],
    ['GET', '/v1/events/x', [['get', { event_id: 'x' }]]],
    ['GET', '/v1/events/a%2Fb', [['get', { event_id: 'a%2Fb' }]]],
    ['GET', '/v1/webhooks/bulk', [['second', { resource: 'webhooks' }]]],
    ['DELETE', '/v1/events/x', [['delete', { event_id: 'x' }]]],
    ['POST', '/v1/events/__proto__/ack', [['ack', { event_id: '__proto__' }]]],
  ])('finds %s %s', (method, path, handlers) => {
    expect(table.match(method, path)).toEqual([handlers])
  })

  it.each([
    ['POST', '/v1/inbox'],
    ['GET', '/v1/inbox/'],
    ['GET', '/v1/events/'],
    ['GET', '/v1/events/x/'],
    ['GET', '/v1/events'],
    ['POST', '/v1/events//ack'],
    ['get', '/v1/inbox'],
    ['GET', ''],
    ['constructor', '/v1/inbox'],
  ])('finds nothing for %s %j', (method, path) => {
    expect(table.match(method, path)).toEqual([[]])
  })

  it.each([
    ['ALL', '/x'],
    ['GET', '*'],
    ['GET', '/x/*'],
    ['GET', '/x/:y?'],
    ['GET', '/x/:y{[0-9]+}'],
  ])('takes no %s %s', (method, path) => {
    expect(() => table.add(method, path, 'x')).toThrow(UnsupportedPathError)
  })
})

import { expect, it } from 'vitest'
import { randomTail } from '../../uuid.ts'
import { receiveBatch, receiveReplies, sendBatch, sendReplies } from './crossing.ts'
import type { EventRow } from './event-row.ts'
import type { Batch, CallOf, Reply, WriterCalls } from './protocol.ts'

const TIMES = { nowUs: 3, eventsExpiredUs: 2, keysExpiredUs: 1 }

const row = (source: string, payload: string, key: string | null = null): EventRow => [
  source,
  'order.created',
  2,
  '{"tenant":"a"}',
  payload,
  key,
  key === null ? null : new Uint8Array([1, 2, 3]),
]
const create = (workspaceId: string, ...rows: EventRow[]): CallOf<WriterCalls> => ({ type: 'create', input: { workspaceId, rows } })
const ack: CallOf<WriterCalls> = { type: 'ack', input: { workspaceId: 'w', addresses: [null] } }

/** As `Channel` sends it and a thread receives it. */
function crossed(calls: Batch<WriterCalls>['calls']): Batch<WriterCalls> {
  return receiveBatch(
    structuredClone(
      sendBatch(
        TIMES,
        calls.map(({ type, input }) => [type, input]),
      ),
    ),
  )
}

it.each([
  ['one event', [create('w', row('shop', '{}'))]],
  [
    'events of several workspaces, and in bulk',
    [create('w', row('a', '1'), row('b', '22')), create('x', row('c', '')), create('w', row('', '4'))],
  ],
  [
    'text beyond Latin-1, and half a surrogate pair',
    [create('wörk', row('商店', '{"x":"🛒"}'), row('\ud83d', 'é')), create('店', row('é', '{}'))],
  ],
  ['other calls between', [create('w', row('a', '{}')), ack, create('w', row('b', '{}')), ack]],
  ['idempotency keys, alone and among others', [create('w', row('a', '{}', 'k')), create('w', row('b', '{}'), row('c', '{}', 'k'))]],
  ['no event', [create('w'), create('x', row('a', '{}'))]],
  ['nothing but a create without events', [create('w')]],
  ['no create', [ack, ack]],
  ['no call', []],
])('carries a batch of %s as it is', (_, calls) => {
  expect(crossed(calls)).toEqual({ times: TIMES, calls })
})

it('keeps no batch in memory for the sake of a workspace id', () => {
  const [, , packed] = sendBatch(TIMES, [['create', create('a-long-workspace-id', row('a', '{}')).input]])
  expect(packed?.[0]).toEqual(['a-long-workspace-id'])
  expect(packed?.[2]).not.toContain('a-long-workspace-id')
})

it('carries replies as they are', () => {
  const calls = [
    create('w', row('a', '{}')),
    create('w', row('b', '{}'), row('c', '{}')),
    ack,
    create('w'),
    create('w'),
    ack,
    create('w'),
    create('w'),
  ]
  const moved = '01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e'
  const replies: Reply[] = [
    { value: [['created', 1763712000000000, randomTail()]] },
    {
      value: [
        ['created', 1763712000000001, randomTail()],
        ['created', 1763712000000002, randomTail()],
      ],
    },
    { value: [{ outcome: 'not_found' }] },
    { value: [['created', 1763712000000003, randomTail()], ['key_reused']] },
    { value: [['replayed', 1763712000000004, moved]] },
    { fault: 'storage', message: 'The disk is full.' },
    { fault: 'program', message: 'A bug.' },
    { value: [] },
  ]
  expect(receiveReplies(structuredClone(sendReplies({ times: TIMES, calls }, replies)))).toEqual(replies)
})

it('is given tails of one length', () => {
  const lengths = Array.from({ length: 5000 }, () => randomTail().length)
  expect(new Set(lengths).size).toBe(1)
})

import { describe, expect, it } from 'vitest'
import { eventRecord, storedWebhook } from '../testing/webhook-records.ts'
import type { DeliveryStatus, ReplaySelection } from '../webhook-ports.ts'
import { matchingEvents, type ReplayScope } from './replay-matches.ts'

const SCOPE: ReplayScope = { workspaceId: 'acme', sinceUs: 0, untilUs: 9, filter: null, selection: null }
const webhook = storedWebhook()

/** The index of each event that is sent, of events whose deliveries to the webhook so far ended so. */
async function sentOf(statuses: DeliveryStatus[][], selection: ReplaySelection | null): Promise<number[]> {
  const events = statuses.map((_, index) => eventRecord({ eventId: String(index) }))
  const store = {
    listEvents: async () => ({ events, next: null }),
    deliveryStatuses: async (_: string, eventIds: readonly string[]) => eventIds.map((eventId) => statuses[Number(eventId)] ?? []),
  }
  const found = await matchingEvents({ store }, { ...SCOPE, selection }, webhook, undefined, 10)
  return found.events.map(({ eventId }) => Number(eventId))
}

const STATUSES: DeliveryStatus[][] = [
  [],
  ['delivered'],
  ['dead'],
  ['dead', 'delivered'],
  ['delivered', 'dead'],
  ['held'],
  ['cancelled'],
  ['pending'],
  ['dead', 'pending'],
  ['dead', 'cancelled'],
]

describe('a replay', () => {
  it.each<[selection: ReplaySelection | null, sent: number[]]>([
    [null, [0, 1, 2, 3, 4, 5, 6, 9]],
    ['none', [0]],
    ['undelivered', [0, 2, 5, 6, 9]],
    ['delivered', [1, 3]],
    ['dead', [2, 4]],
    ['held', [5]],
    ['cancelled', [6, 9]],
  ])('of %s sends by what became of the deliveries so far, never what is on its way', async (selection, sent) => {
    expect(await sentOf(STATUSES, selection)).toEqual(sent)
  })

  it('is of events that match the webhook as it is and its own filter, whenever they were made', async () => {
    const events = [
      eventRecord({ eventId: 'a', eventType: 'user.created' }),
      eventRecord({ eventId: 'b', eventType: 'user.created', source: 'other' }),
      eventRecord({ eventId: 'c', eventType: 'user.created', metadata: '{"priority":"high"}' }),
      eventRecord({ eventId: 'd', eventType: 'order.paid' }),
    ]
    const queries: object[] = []
    const store = {
      listEvents: async (query: object) => {
        queries.push(query)
        return { events, next: 'further' }
      },
      deliveryStatuses: async (_: string, eventIds: readonly string[]) => eventIds.map(() => []),
    }
    const narrow = storedWebhook({ events: ['user.*'], filter: { source: ['shop'] }, isActive: false, createdAtUs: 2 ** 52 })
    const found = await matchingEvents({ store }, { ...SCOPE, filter: { priority: ['normal'] } }, narrow, 'from here', 7)
    expect([found.events.map(({ eventId }) => eventId), found.next]).toEqual([['a'], 'further'])
    expect(queries).toMatchObject([
      { workspaceId: 'acme', filter: { createdAfterUs: 0, createdBeforeUs: 9 }, order: 'asc', limit: 7, after: 'from here' },
    ])
  })
})

import type { DeliveryStore, Lane } from '../../../webhook-ports.ts'
import { chunksOf } from './client.ts'
import type { DynamoContext } from './context.ts'
import { LANE_PARTITIONS, laneEntryKey, lanePartition, TOUCHED_US } from './delivery-rows.ts'
import { duePlaces, farthestUs, isDue } from './due-places.ts'
import type { Item, Query } from './notation.ts'

/** Entries read in one request. */
const PAGE = 200
/** Lanes that are looked into at once. */
const AT_ONCE = 8
/** An entry that stands as it did, of a lane with nothing due then, is not looked into again for so long. */
const KNOWN_US = 5_000_000
const MAX_KNOWN = 10_000
/** An entry without anything in its lane is looked at more and more seldom, and given up after this time: the index is late by less. */
const GIVEN_UP_US = 86_400e6

/** A lane's entry. */
interface Entry {
  place: Item
  lane: Lane
  nextDueUs: number
  touchedUs: number
  touches: number
}

/** The lanes of a webhook that may have something pending. Strongly consistent: a lane has its entry before it has anything else. */
export async function lanesOf({ dynamo }: DynamoContext, webhookId: string): Promise<Lane[]> {
  const { pk, sk } = laneEntryKey({ webhookId, replayId: null })
  const lanes: Lane[] = []
  const query = { table: 'webhooks', where: 'pk = :pk AND begins_with(sk, :webhook)', values: { pk, webhook: sk } } as const
  for await (const item of dynamo.queryAll(query)) lanes.push(entryOf(item).lane)
  return lanes
}

/**
 * Looks through the entries of lanes for those with something due. Entries tell too much: they are lowered before rows are written, and raised or
 * removed by who finds, here, that a lane has nothing due, if nobody has touched them of late.
 */
export function dueLanes(context: DynamoContext): DeliveryStore['listDueLanes'] {
  const { dynamo, clock } = context
  const known = new Map<string, { touches: number; lookedUs: number; nextUs: number | null }>()

  return async ({ limit, after }) => {
    const lanes: Lane[] = []
    let [partition, behind] = placeOf(after)
    for (; partition < LANE_PARTITIONS; partition++, behind = '') {
      let from: Query['from']
      do {
        const page = await dynamo.query({ ...entriesThatMayBeDue(partition, behind), from })
        for (const chunk of chunksOf(page.items.map(entryOf), AT_ONCE)) {
          const answers = await Promise.all(chunk.map(async (entry) => ({ entry, isFound: await hasDue(entry) })))
          for (const { entry, isFound } of answers) {
            if (!isFound) continue
            // One too many: it shows that there is more.
            if (lanes.length === limit) return { lanes, next: textOf(partition, behind) }
            lanes.push(entry.lane)
            behind = entry.place.sk
          }
        }
        from = page.next
      } while (from !== undefined)
    }
    return { lanes, next: null }
  }

  function entriesThatMayBeDue(partition: number, behind: string): Query {
    const nowUs = clock.nowUs()
    return {
      table: 'webhooks',
      where: 'pk = :pk AND sk > :behind',
      filter: 'nextDueUs <= :now OR nextDueUs > :farthest',
      // No entry's key is this short.
      values: { pk: lanePartition(partition), behind: behind === '' ? '#' : behind, now: nowUs, farthest: farthestUs(nowUs) },
      limit: PAGE,
      isConsistent: false,
    }
  }

  async function hasDue(entry: Entry): Promise<boolean> {
    const nowUs = clock.nowUs()
    const before = known.get(entry.place.sk)
    if (before?.touches === entry.touches && Math.abs(nowUs - before.lookedUs) < KNOWN_US) {
      if (before.nextUs === null || !isDue(before.nextUs, nowUs)) return false
    }
    const nextUs = await duePlaces(context, entry.lane, nowUs, 1).nextUs()
    if (nextUs !== null && nextUs <= nowUs) return true
    if (known.size >= MAX_KNOWN) known.clear()
    known.set(entry.place.sk, { touches: entry.touches, lookedUs: nowUs, nextUs })
    await raise(entry, nextUs, nowUs)
    return false
  }

  /** @param nextUs when the first in the lane is due, as far as the index knows; null: it knows of none */
  async function raise({ place, touchedUs, touches }: Entry, nextUs: number | null, nowUs: number): Promise<void> {
    const quietUs = Math.abs(nowUs - touchedUs)
    if (quietUs < TOUCHED_US) return
    const condition = { condition: 'n = :n AND touchedUs = :touched', values: { n: touches, touched: touchedUs } }
    if (nextUs === null && quietUs > GIVEN_UP_US) {
      await dynamo.remove('webhooks', place, condition)
      return
    }
    const againUs = nowUs + quietUs
    const raisedUs = nextUs === null ? againUs : Math.min(nextUs, againUs)
    await dynamo.update('webhooks', place, {
      update: 'SET nextDueUs = :next',
      condition: condition.condition,
      values: { ...condition.values, next: raisedUs },
    })
  }
}

function entryOf(item: Item): Entry {
  const [webhookId = '', replayId = ''] = item.sk.split('#')
  const lane = { webhookId, replayId: replayId === '' ? null : replayId }
  return { place: item, lane, nextDueUs: item['nextDueUs'], touchedUs: item['touchedUs'], touches: item['n'] }
}

/** Where a page ended: the partition, and the entry in it. */
const textOf = (partition: number, behind: string): string => `${partition}.${behind}`

function placeOf(after: string | undefined): [partition: number, behind: string] {
  const dot = after?.indexOf('.') ?? -1
  return after === undefined || dot === -1 ? [0, ''] : [Number(after.slice(0, dot)), after.slice(dot + 1)]
}

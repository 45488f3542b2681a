import type { Lane } from '../../../webhook-ports.ts'
import type { DynamoContext } from './context.ts'
import { DELIVERY_SHARDS, dueText, dueTimeOf, laneShard } from './delivery-item.ts'
import { firstPageSize } from './merge.ts'
import type { Item, Query } from './notation.ts'
import { DELIVERY_INDEXES } from './tables.ts'

/** No wait is longer. What seems to be due later than this was stored before the clock went back, and is due. */
const FARTHEST_US = 86_400e6

export const farthestUs = (nowUs: number): number => nowUs + FARTHEST_US

/** Whether a delivery, or a lane, is due. */
export const isDue = (dueAtUs: number, nowUs: number): boolean => dueAtUs <= nowUs || dueAtUs > farthestUs(nowUs)

/** Whether it is in somebody's hands: nobody else may have it until the hold ends. */
export const isUnderWay = ({ isHeld, dueAtUs }: { isHeld: boolean; dueAtUs: number }, nowUs: number): boolean =>
  isHeld && !isDue(dueAtUs, nowUs)

/** A delivery by its place in its lane. */
export interface DuePlace {
  deliveryId: string
  place: string
}

/** What is pending in a lane, as the index knows it: it may be late, so each is to be looked at in the table. */
export interface DuePlaces {
  /** The next ones that are due, the longest due first; fewer than asked for: these were all. */
  take(count: number): Promise<DuePlace[]>
  /** Some that were taken, in their order: they are the next ones again. */
  giveBack(places: readonly DuePlace[]): void
  /** When the first of those left is due; a moment gone, for at once; null: there is none. */
  nextUs(): Promise<number | null>
  /** Those that were read and are left, as far as it is known that nothing comes between them; in order, all of them due. */
  left(): DuePlace[]
}

/** So many of a shard cost as much as one; and at first no more than the others, for a pace may allow very few. Further pages grow. */
const LEAST_PAGE = 16
const LARGEST_FIRST_PAGE = 32
const LARGEST_PAGE = 512

/**
 * @param count how many are wanted, about
 * @param before those `left` by who looked a moment ago: they come first, without a request
 */
export function duePlaces(
  { dynamo }: Pick<DynamoContext, 'dynamo'>,
  lane: Lane,
  nowUs: number,
  count: number,
  before: readonly DuePlace[] = [],
): DuePlaces {
  const pageSize = Math.min(Math.max(LEAST_PAGE, firstPageSize(count, DELIVERY_SHARDS)), LARGEST_FIRST_PAGE)
  const farText = dueText(farthestUs(nowUs) + 1)
  const query = (where: string, values: Record<string, string>): Query => ({
    table: 'deliveries',
    index: DELIVERY_INDEXES.due,
    where: `lane = :lane${where}`,
    values,
  })
  const keys = Array.from({ length: DELIVERY_SHARDS }, (_, shard) => laneShard(lane, shard))
  /** Given back, or known before. */
  const back: DuePlace[] = before.filter(({ place }) => dueTimeOf(place) <= nowUs)
  const isBefore = new Set(back.map(({ place }) => place))
  const isNew = ({ place }: DuePlace): boolean => !isBefore.has(place)
  const all = keys.map((key) => places(pageSize, isNew, (page) => dynamo.query({ ...query('', { lane: key }), ...page })))
  let far: Places[] | undefined

  /** Those at the far end: read already where a shard was short. */
  const farOnes = (): Places[] => {
    far ??= all.map((shard, index) => {
      const known = shard.rest()
      if (known !== undefined) return listed(known.filter(({ place }) => place >= farText))
      const lane = keys[index] ?? ''
      return places(pageSize, isNew, (page) => dynamo.query({ ...query(' AND due >= :far', { lane, far: farText }), ...page }))
    })
    return far
  }

  async function nextDue(): Promise<Places | undefined> {
    const first = await firstOf(all)
    if (first !== undefined && dueTimeOf(first.place) <= nowUs) return first.of
    return (await firstOf(farOnes()))?.of
  }

  return {
    async take(count) {
      const taken = back.splice(0, count)
      while (taken.length < count) {
        const place = (await nextDue())?.shift()
        if (place === undefined) break
        taken.push(place)
      }
      return taken
    },
    giveBack: (places) => void back.unshift(...places),
    async nextUs() {
      if (back[0] !== undefined) return Math.min(nowUs, dueTimeOf(back[0].place))
      const first = await firstOf(all)
      if (first !== undefined && dueTimeOf(first.place) <= nowUs) return dueTimeOf(first.place)
      if ((await firstOf(farOnes())) !== undefined) return nowUs
      // Those at the far end were all taken.
      return first === undefined || first.place >= farText ? null : dueTimeOf(first.place)
    },
    left() {
      const read = all.map((shard) => shard.read())
      const [sureTo = ''] = [dueText(nowUs + 1), ...read.map(({ sureTo }) => sureTo)].sort()
      const rest = read.flatMap(({ rest }) => rest.filter(({ place }) => place <= sureTo))
      return [...back, ...rest.sort((a, b) => (a.place < b.place ? -1 : 1))]
    },
  }
}

/** One shard's, in order, read as they are needed. */
interface Places {
  peek(): Promise<DuePlace | undefined>
  /** What was peeked at. */
  shift(): DuePlace | undefined
  /** All that are left, if they were read; else undefined. */
  rest(): DuePlace[] | undefined
  /** What was read and is left; up to which place that is all there is. */
  read(): { rest: readonly DuePlace[]; sureTo: string }
}

/** Behind every place. */
const END = '~'

function places(
  firstPage: number,
  isWanted: (place: DuePlace) => boolean,
  read: (page: Pick<Query, 'from' | 'limit'>) => Promise<{ items: Item[]; next: Query['from'] }>,
): Places {
  let buffer: DuePlace[] = []
  let from: Query['from']
  let limit = firstPage
  let isAtEnd = false
  let sureTo = ''
  return {
    async peek() {
      while (buffer.length === 0 && !isAtEnd) {
        const { items, next } = await read({ from, limit })
        limit = Math.min(limit * 2, LARGEST_PAGE)
        buffer = items.map((item) => ({ deliveryId: item.pk, place: item['due'] })).filter(isWanted)
        from = next
        isAtEnd = next === undefined
        sureTo = isAtEnd ? END : (items.at(-1)?.['due'] ?? sureTo)
      }
      return buffer[0]
    },
    shift: () => buffer.shift(),
    rest: () => (isAtEnd ? buffer : undefined),
    read: () => ({ rest: buffer, sureTo }),
  }
}

function listed(all: DuePlace[]): Places {
  const left = [...all]
  return { peek: async () => left[0], shift: () => left.shift(), rest: () => left, read: () => ({ rest: left, sureTo: END }) }
}

async function firstOf(shards: readonly Places[]): Promise<(DuePlace & { of: Places }) | undefined> {
  const heads = await Promise.all(shards.map(async (of) => ({ of, head: await of.peek() })))
  let first: (DuePlace & { of: Places }) | undefined
  for (const { of, head } of heads) {
    if (head !== undefined && (first === undefined || head.place < first.place)) first = { ...head, of }
  }
  return first
}

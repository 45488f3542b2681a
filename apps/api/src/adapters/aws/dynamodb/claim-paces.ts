import type { ClaimQuery } from '../../../webhook-ports.ts'
import { type Places, placeAfter, placesOf } from '../../claim-pace.ts'
import { type DynamoContext, ttlOf } from './context.ts'
import type { Item, Key, Write } from './notation.ts'

/** A pace that nobody took a place of for so long is as good as a new one. */
const PACE_KEPT_US = 3_600e6

/** A pace as it was read. */
export interface Pace {
  name: string
  perSecond: number
  /** Behind the last place that was taken. */
  nextUs: number | undefined
  places: Places
}

export const paceKey = (name: string): Key => ({ pk: `pace#${name}`, sk: '-' })

/** @param items of `paceKey`, and perhaps others; those missing are of paces that nobody has taken a place of yet */
export function pacesOf(items: readonly Item[], paces: ClaimQuery['paces'], nowUs: number): Pace[] {
  const nextUs = new Map<string, number>(items.map((item) => [item.pk, item['nextUs']]))
  return paces.map(({ name, perSecond }) => {
    const next = nextUs.get(paceKey(name).pk)
    return { name, perSecond, nextUs: next, places: placesOf(next, perSecond, nowUs) }
  })
}

/** Strongly consistent, as of now. */
export async function readPaces({ dynamo, clock }: DynamoContext, paces: ClaimQuery['paces']): Promise<Pace[]> {
  const items = await dynamo.batchGet(
    'webhooks',
    paces.map(({ name }) => paceKey(name)),
  )
  return pacesOf(items, paces, clock.nowUs())
}

/** How many deliveries they all allow now. */
export const placesNow = (paces: readonly Pace[]): number => Math.min(...paces.map(({ places }) => places.count))

/**
 * Takes that many places of each, or none at all.
 * @returns the paces as they are then; undefined when somebody has taken places since they were read
 * @throws DynamoError; the places may be taken then, and nobody uses them: never too many are given
 */
export async function takePlaces({ dynamo }: DynamoContext, paces: readonly Pace[], count: number): Promise<Pace[] | undefined> {
  const taken = paces.map((pace): Pace => {
    const { places } = pace
    const nextUs = placeAfter(places, count)
    return { ...pace, nextUs, places: { ...places, firstUs: nextUs, count: places.count - count } }
  })
  const [first, ...more] = paces.map((pace) => placeWrite(pace, count))
  if (first === undefined || count === 0) return taken
  const isTaken =
    more.length > 0 ? (await dynamo.transact([first, ...more])) === undefined : (await dynamo.update(first.table, first.key, first)).isDone
  return isTaken ? taken : undefined
}

function placeWrite({ name, nextUs, places }: Pace, count: number): Extract<Write, { key: Key }> {
  const afterUs = placeAfter(places, count)
  return {
    table: 'webhooks',
    key: paceKey(name),
    update: 'SET nextUs = :after, #ttl = :ttl',
    condition: nextUs === undefined ? 'attribute_not_exists(nextUs)' : 'nextUs = :next',
    names: { ttl: 'ttl' },
    values: { after: afterUs, ttl: ttlOf(afterUs + PACE_KEPT_US), ...(nextUs !== undefined && { next: nextUs }) },
  }
}

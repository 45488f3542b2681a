import type { EventStatus } from '../../../ports.ts'
import type { Dynamo } from './client.ts'
import { fieldKey, stateOf } from './event-item.ts'
import { MAX_PAGE, querySource, type Source } from './merge.ts'
import type { Item, Query } from './notation.ts'
import { eventIndexOf, PENDING_INDEX } from './tables.ts'

/** Along what the events of a list are walked. An index has their keys alone; the table has all, and is strongly consistent. */
export type Driver =
  | { type: 'table'; isAcknowledgedOnly: boolean }
  | { type: 'pending' }
  | { type: 'field'; field: string; value: string; status: EventStatus | undefined }

/** Ids, or what stands before or behind ids: both inclusive, the first one to be read first. */
export interface Stretch {
  from: string
  to: string
}

/**
 * The events of one partition as the driver has them, sorted by id.
 * @param pageSize how many are read first
 */
export function eventSource(
  dynamo: Pick<Dynamo, 'query'>,
  driver: Driver,
  partition: string,
  stretch: Stretch,
  pageSize: number,
): Source<Item> {
  if (driver.type === 'field' && driver.status === undefined) return anyStatusSource(dynamo, driver, partition, stretch, pageSize)
  return querySource(dynamo, queryOf(driver, partition, stretch), pageSize)
}

function queryOf(driver: Driver, partition: string, stretch: Stretch): Omit<Query, 'from' | 'limit'> {
  switch (driver.type) {
    case 'table':
      return {
        table: 'events',
        where: 'pk = :pk AND sk BETWEEN :low AND :high',
        ...(driver.isAcknowledgedOnly && { filter: 'attribute_exists(ackedAtUs)' }),
        values: { pk: partition, ...boundsOf(stretch) },
        order: orderOf(stretch),
      }
    case 'pending':
      return {
        table: 'events',
        index: PENDING_INDEX,
        where: 'pending = :pk AND sk BETWEEN :low AND :high',
        values: { pk: partition, ...boundsOf(stretch) },
        order: orderOf(stretch),
      }
    case 'field':
      return fieldQuery(driver, driver.status ?? 'pending', partition, stretch)
  }
}

function fieldQuery(
  { field, value }: Driver & { type: 'field' },
  status: EventStatus,
  partition: string,
  stretch: Stretch,
): Omit<Query, 'from' | 'limit'> {
  const { name, attribute } = eventIndexOf(field)
  const { low, high } = boundsOf(stretch)
  return {
    table: 'events',
    index: name,
    where: '#by = :by AND #state BETWEEN :low AND :high',
    names: { by: attribute, state: 'state' },
    values: { by: fieldKey(partition, value), low: stateOf(status, low), high: stateOf(status, high) },
    order: orderOf(stretch),
  }
}

const orderOf = ({ from, to }: Stretch): 'asc' | 'desc' => (from <= to ? 'asc' : 'desc')

const boundsOf = ({ from, to }: Stretch): { low: string; high: string } => (from <= to ? { low: from, high: to } : { low: to, high: from })

/**
 * Of any status. The index has each status in a range of its own, and an event that is acknowledged meanwhile moves from the one to the other. So
 * of each stretch the pending ones are read first: then an event is found in one of the two ranges, or in both, but not in neither.
 */
function anyStatusSource(
  dynamo: Pick<Dynamo, 'query'>,
  driver: Driver & { type: 'field' },
  partition: string,
  whole: Stretch,
  pageSize: number,
): Source<Item> {
  const order = orderOf(whole)
  const isBeyond = (a: string, b: string): boolean => (order === 'asc' ? a > b : a < b)
  /** Up to where the pending ones are known, and those of them that were not given yet. */
  let pending: { to: string; items: Item[]; isAll: boolean } | undefined
  /** Up to where all were given. */
  let { from } = whole
  let isAtEnd = false
  // At least one more than the first, which was given before.
  let size = Math.max(2, pageSize)

  /** @returns what a page has of one status, and up to where that is all there is */
  async function read(status: EventStatus, to: string) {
    let page: Awaited<ReturnType<Dynamo['query']>> | undefined
    // A page may be empty and not the last.
    do {
      page = await dynamo.query({ ...fieldQuery(driver, status, partition, { from, to }), order, limit: size, from: page?.next })
    } while (page.items.length === 0 && page.next !== undefined)
    const { items, next } = page
    return { items, isAll: next === undefined, to: next === undefined ? to : (items.at(-1)?.sk ?? to) }
  }

  return async () => {
    if (isAtEnd) return undefined
    pending ??= await read('pending', whole.to)
    const acknowledged = await read('acknowledged', pending.to)
    const { to } = acknowledged
    const found = new Map(
      [...pending.items.filter(({ sk }) => !isBeyond(sk, to)), ...acknowledged.items]
        // The first of a stretch is the last of the one before.
        .filter(({ sk }) => from === whole.from || isBeyond(sk, from))
        .map((item) => [item.sk, item]),
    )
    pending.items = pending.items.filter(({ sk }) => isBeyond(sk, to))
    isAtEnd = pending.isAll && acknowledged.isAll
    if (acknowledged.isAll) pending = undefined
    from = to
    size = Math.min(size * 2, MAX_PAGE)
    return [...found.values()].sort((a, b) => (isBeyond(a.sk, b.sk) ? 1 : -1))
  }
}

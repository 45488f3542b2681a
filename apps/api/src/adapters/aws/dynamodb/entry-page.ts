import type { Dynamo } from './client.ts'
import type { Item } from './notation.ts'

/** How many entries are read at the least when a page was not full at first. */
const FURTHER = 50

export interface EntryPage<Value> {
  values: Value[]
  /** The place to go on from; null exactly when nothing more is there now. */
  next: string | null
}

/**
 * One page of a list whose entries, in one partition of the table `webhooks`, name what is in it: reads on until the page is full.
 * @param after where the last page ended
 * @param read gives by entry what is to be listed, and nothing for an entry that is passed over
 */
export async function entryPage<Value>(
  dynamo: Dynamo,
  { pk, order, limit, after }: { pk: string; order: 'asc' | 'desc'; limit: number; after: string | undefined },
  read: (entries: readonly Item[]) => Promise<Map<Item, Value>>,
): Promise<EntryPage<Value>> {
  const values: Value[] = []
  let last: string | null = null
  let place = after
  for (;;) {
    const { items, next } = await dynamo.query({
      table: 'webhooks',
      where: place === undefined ? 'pk = :pk' : `pk = :pk AND sk ${order === 'asc' ? '>' : '<'} :place`,
      values: { pk, ...(place !== undefined && { place }) },
      order,
      limit: Math.max(limit + 1 - values.length, place === after ? 0 : FURTHER),
    })
    const found = await read(items)
    for (const item of items) {
      const value = found.get(item)
      if (value === undefined) continue
      if (values.length === limit) return { values, next: last }
      values.push(value)
      last = item.sk
    }
    if (next === undefined) return { values, next: null }
    place = items.at(-1)?.sk ?? place
  }
}

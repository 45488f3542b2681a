import type { Dynamo } from './client.ts'
import type { Item, Query } from './notation.ts'

/** The next values of a sorted list, as many as it likes to give; undefined at its end. */
export type Source<Value> = () => Promise<readonly Value[] | undefined>

/** How many sources are read from at the same time: beside them others want to be answered, too. */
const AT_ONCE = 64

/** Several sorted lists as one. */
export interface Merge<Value> {
  /** The next ones in order; fewer than asked for at the end alone. */
  take(count: number): Promise<Value[]>
}

/**
 * Reads from each source only when what it gave is used up, and from all that are at that point at once: so what is read goes with what is taken, not with
 * what the sources hold.
 * @param compare negative when the first one comes first; the sources are sorted by it
 */
export function merge<Value extends object>(sources: readonly Source<Value>[], compare: (a: Value, b: Value) => number): Merge<Value> {
  const open = new Set(sources.map((read) => ({ read, values: [] as readonly Value[], at: 0 })))

  async function fill(list: Opened<Value>): Promise<void> {
    while (list.at >= list.values.length) {
      const values = await list.read()
      if (values === undefined) {
        open.delete(list)
        return
      }
      list.values = values
      list.at = 0
    }
  }

  async function fillAll(empty: readonly Opened<Value>[]): Promise<void> {
    // All take from one row, so there are never more under way than takers.
    const row = empty.values()
    const take = async () => {
      for (const list of row) await fill(list)
    }
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, empty.length) }, take))
  }

  return {
    async take(count) {
      const taken: Value[] = []
      while (taken.length < count) {
        const empty = [...open].filter(({ at, values }) => at >= values.length)
        if (empty.length > 0) await fillAll(empty)
        let first: { list: Opened<Value>; value: Value } | undefined
        for (const list of open) {
          const value = list.values[list.at]
          // Filled just now, so it has one.
          if (value === undefined) continue
          if (first === undefined || compare(value, first.value) < 0) first = { list, value }
        }
        if (first === undefined) break
        taken.push(first.value)
        first.list.at++
      }
      return taken
    },
  }
}

interface Opened<Value> {
  read: Source<Value>
  values: readonly Value[]
  at: number
}

/** Pages grow up to this many items. */
export const MAX_PAGE = 1000

/**
 * The items of a Query, read as they are needed.
 * @param pageSize of the first page; each further one is twice the size of the one before
 */
export function querySource(dynamo: Pick<Dynamo, 'query'>, query: Omit<Query, 'from' | 'limit'>, pageSize: number): Source<Item> {
  let from: Query['from']
  let size = pageSize
  let isAtEnd = false
  return async () => {
    if (isAtEnd) return undefined
    const { items, next } = await dynamo.query({ ...query, from, limit: size })
    from = next
    isAtEnd = next === undefined
    size = Math.max(pageSize, Math.min(size * 2, MAX_PAGE))
    return items
  }
}

/**
 * How much to read first from each of several sources that share the values of a page: somewhat more than its part, as chance does not divide evenly, and
 * small items are paid by 4 kB together.
 */
export function firstPageSize(limit: number, sources: number): number {
  return Math.min(limit, Math.ceil((limit / sources) * 1.5) + 8)
}

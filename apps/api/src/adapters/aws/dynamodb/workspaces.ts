import type { Clock } from '../../../ports.ts'
import type { Dynamo } from './client.ts'
import { spreadOf, timeOf } from './ids.ts'
import type { Item, Key, Write } from './notation.ts'

/** Events of a workspace with times from `fromUs` on are spread over that many partitions: a power of two, at most 256. */
export interface Shards {
  fromUs: number
  count: number
}

export interface Workspace {
  workspaceId: string
  /** Oldest first; the first one from 0 on. */
  shards: readonly Shards[]
}

/** How long a workspace is as it was read. Another number of shards holds from twice that later on, when every server has read of it. */
export const WORKSPACE_LIFETIME_US = 30_000_000

const MAX_SHARDS = 256
const LIST = 'workspaces'
const MAX_KNOWN = 10_000

/** The workspaces as this process knows them: there is one in every request's way, so each is read every half minute at most. */
export type Workspaces = ReturnType<typeof createWorkspaces>

export function createWorkspaces(dynamo: Dynamo, clock: Clock, newShards: number) {
  const known = new Map<string, { workspace: Workspace; readAtUs: number }>()
  const reading = new Map<string, Promise<Workspace | undefined>>()
  const making = new Map<string, Promise<Workspace>>()

  const keyOf = (workspaceId: string): Key => ({ pk: LIST, sk: workspaceId })

  function remember(item: Item): Workspace {
    const workspace: Workspace = { workspaceId: item.sk, shards: item['shards'] }
    if (known.size >= MAX_KNOWN) known.clear()
    known.set(item.sk, { workspace, readAtUs: clock.nowUs() })
    return workspace
  }

  async function read(workspaceId: string): Promise<Workspace | undefined> {
    const item = await dynamo.get('keys', keyOf(workspaceId))
    return item && remember(item)
  }

  async function make(workspaceId: string): Promise<Workspace> {
    const item = newItem(workspaceId)
    const made = await dynamo.put('keys', item, { condition: 'attribute_not_exists(pk)' })
    if (made.isDone) return remember(item)
    if (made.old === undefined) throw new Error('A workspace is there, and is not.')
    return remember(made.old)
  }

  const newItem = (workspaceId: string): Item => ({
    ...keyOf(workspaceId),
    shards: [{ fromUs: 0, count: newShards }],
    createdAtUs: clock.nowUs(),
  })

  /** As it is, or was within the last half minute; undefined when there is none. */
  async function find(workspaceId: string): Promise<Workspace | undefined> {
    const found = known.get(workspaceId)
    if (found !== undefined && Math.abs(clock.nowUs() - found.readAtUs) < WORKSPACE_LIFETIME_US) return found.workspace
    const underWay = reading.get(workspaceId)
    if (underWay !== undefined) return await underWay
    const now = read(workspaceId).finally(() => reading.delete(workspaceId))
    reading.set(workspaceId, now)
    return await now
  }

  return {
    find,
    keyOf,

    /** Whether it is there at this moment: none is ever removed. */
    async exists(workspaceId: string): Promise<boolean> {
      return known.has(workspaceId) || (await read(workspaceId)) !== undefined
    },

    /** The same, made where it is missing. */
    async findOrMake(workspaceId: string): Promise<Workspace> {
      const found = await find(workspaceId)
      if (found !== undefined) return found
      // The first events of a workspace may come together.
      const underWay = making.get(workspaceId) ?? make(workspaceId).finally(() => making.delete(workspaceId))
      making.set(workspaceId, underWay)
      return await underWay
    },

    /** For a transaction: makes it where it is missing, and changes nothing where it is there. */
    makeWrite(workspaceId: string): Write {
      const { shards, createdAtUs } = newItem(workspaceId)
      return {
        table: 'keys',
        key: keyOf(workspaceId),
        update: 'SET shards = if_not_exists(shards, :shards), createdAtUs = if_not_exists(createdAtUs, :createdAtUs)',
        values: { shards, createdAtUs },
      }
    },

    /** For a transaction that makes it, or fails. */
    createWrite(workspaceId: string): Write {
      return { table: 'keys', put: newItem(workspaceId), condition: 'attribute_not_exists(pk)' }
    },

    /**
     * Spreads its events with times from `fromUs` on over another number of partitions: when every server has read of it.
     * @param count a power of two, at most 256
     * @param fromUs twice the workspace's lifetime from now on, or later
     * @param also written with it, when something is changed
     * @returns `pending`: another change has not come yet; `changed`: somebody else was faster
     * @throws RangeError for a number or a time that is none
     */
    async setShards(
      workspaceId: string,
      count: number,
      fromUs: number,
      also: readonly Write[] = [],
    ): Promise<'set' | 'unknown' | 'pending' | 'changed'> {
      const nowUs = clock.nowUs()
      if (!isShardCount(count)) throw new RangeError(`${count} is no power of two from 1 to ${MAX_SHARDS}.`)
      if (!(Number.isSafeInteger(fromUs) && fromUs >= nowUs + 2 * WORKSPACE_LIFETIME_US)) {
        throw new RangeError('Another number of shards holds from a minute later on at the earliest, when every server has read of it.')
      }
      const workspace = await read(workspaceId)
      if (workspace === undefined) return 'unknown'
      const last = workspace.shards.at(-1)
      if (last !== undefined && last.fromUs > nowUs) return 'pending'
      if (last?.count === count) return 'set'
      const shards: Shards[] = [...workspace.shards, { fromUs, count }]
      const refusals = await dynamo.transact([
        {
          table: 'keys',
          key: keyOf(workspaceId),
          update: 'SET shards = :shards',
          condition: 'shards = :before',
          values: { shards, before: workspace.shards },
        },
        ...also,
      ])
      known.delete(workspaceId)
      return refusals === undefined ? 'set' : 'changed'
    },

    /** By name, from behind `after` on. */
    async list({ limit, after }: { limit: number; after?: string | undefined }): Promise<{ workspaceIds: string[]; next: string | null }> {
      const { items } = await dynamo.query({
        table: 'keys',
        where: after === undefined ? 'pk = :pk' : 'pk = :pk AND sk > :after',
        values: { pk: LIST, ...(after !== undefined && { after }) },
        limit: limit + 1,
      })
      const workspaceIds = items.slice(0, limit).map(({ sk }) => sk)
      return { workspaceIds, next: items.length > limit ? (workspaceIds.at(-1) ?? null) : null }
    },
  }
}

function isShardCount(count: number): boolean {
  return Number.isInteger(count) && count >= 1 && count <= MAX_SHARDS && Number.isInteger(Math.log2(count))
}

/** The shard of an event, by its id alone: the last byte of the id is as good as random, whoever gave it. */
export function shardOf(workspace: Workspace, eventId: string): number {
  const us = timeOf(eventId) ?? 0
  const count = workspace.shards.findLast(({ fromUs }) => fromUs <= us)?.count ?? 1
  return spreadOf(eventId) % count
}

/** How many shards have events of that time or later. */
export function shardCount(workspace: Workspace, sinceUs: number): number {
  const last = workspace.shards.findLastIndex(({ fromUs }) => fromUs <= sinceUs)
  return Math.max(...workspace.shards.slice(Math.max(0, last)).map(({ count }) => count))
}

/** The partition of an event, in the table and in its indexes. */
export function partitionOf(workspace: Workspace, shard: number): string {
  return `${workspace.workspaceId}#${shard}`
}

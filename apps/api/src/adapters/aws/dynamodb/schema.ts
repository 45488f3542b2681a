import type { Dynamo } from './client.ts'
import type { DynamoContext } from './context.ts'
import { DynamoError } from './errors.ts'
import { STEPS } from './migration-steps.ts'
import { type Key, TABLES } from './notation.ts'
import { describe, eventIndexOf, indexedFields, indexesOf, indexState } from './tables.ts'

/** The item that says what the tables hold. Its attributes go by other names in expressions, since DynamoDB reserves many words. */
export const SCHEMA_KEY: Key = { pk: 'schema', sk: '-' }

export interface Schema {
  /** How many steps of the migrations are done. */
  version: number
  /** Fields whose index has every event, with the time since when. */
  ready: Readonly<Record<string, number>>
  /** How far the step after `version` is. */
  position: string | undefined
  /** The walk through the events that is under way. */
  fill: Fill | undefined
}

/** How far events have been given the attributes of new indexes. */
export interface Fill {
  /** The indexes that it is for. */
  fields: readonly string[]
  startedUs: number
  /** Events from that time on: all, then once more those since the start, as a check of who writes. */
  fromUs: number
  /** The last workspace that is done; empty before the first. */
  workspaceId: string
  /** In the workspace after it: the shard, and the last event that is done. */
  shard: number
  eventId: string
  /** How many events were looked at, and written. */
  seen: number
  written: number
  /** How many of them came after the start without the attributes. */
  late: number
}

/** @returns undefined before the first migration, and where there is no table */
export async function readSchema(dynamo: Dynamo): Promise<Schema | undefined> {
  try {
    const item = await dynamo.get('keys', SCHEMA_KEY)
    if (item?.['version'] === undefined) return undefined
    return { version: item['version'], ready: item['ready'] ?? {}, position: item['position'], fill: item['fill'] }
  } catch (error) {
    if (error instanceof DynamoError && error.reason === 'ResourceNotFoundException') return undefined
    throw error
  }
}

/** The same while there must be one. */
export async function requireSchema(dynamo: Dynamo): Promise<Schema> {
  const schema = await readSchema(dynamo)
  if (schema === undefined) throw new Error('The item with the version of the tables is gone.')
  return schema
}

const WATCH_MS = 30_000
const HOW_TO_MIGRATE = 'Run `pnpm admin migrate` with the settings of the server.'

/** @throws Error in words for the operator when a newer program has been here */
export function refuseNewer(schema: Schema | undefined, known: number): void {
  if (schema === undefined || schema.version <= known) return
  throw new Error(
    `The tables were written by a newer version of Triggers (schema ${schema.version}; this program knows ${known}). ` +
      'Start that version or a later one, or set DYNAMODB_TABLE_PREFIX to other tables.',
  )
}

/**
 * That the tables are there, of this program's schema, with the indexes that nothing works without.
 * @param eventFields that events are to have an index by
 * @param known how many steps of the migrations this program has
 * @returns the fields to write for: these, and those whose index is complete, and is to stay so until it is deleted; and those of
 * `eventFields` whose index can be read
 * @throws Error in words for the operator
 */
export async function checkTables(
  dynamo: Dynamo,
  eventFields: readonly string[],
  known = STEPS.length,
): Promise<{ all: string[]; ready: string[] }> {
  const found = await Promise.all(TABLES.map(async (table) => ({ table, description: await describe(dynamo, table) })))
  const schema = await readSchema(dynamo)
  refuseNewer(schema, known)
  for (const { table, description } of found) {
    const name = dynamo.tableName(table)
    if (description === undefined) throw new Error(`The table ${name} does not exist. ${HOW_TO_MIGRATE}`)
    const missing = indexesOf(table, []).find((index) => indexState(description, index) !== 'active')
    if (missing !== undefined) throw new Error(`The table ${name} has no index \`${missing.name}\` that can be read. ${HOW_TO_MIGRATE}`)
  }
  if (schema === undefined || schema.version < known) {
    const version = schema === undefined ? 'has no schema yet' : `has schema ${schema.version}`
    throw new Error(`The table ${dynamo.tableName('keys')} ${version}; this program needs schema ${known}. ${HOW_TO_MIGRATE}`)
  }
  const events = found.find(({ table }) => table === 'events')?.description
  const there = indexedFields(events)
  const complete = Object.keys(schema.ready).filter((field) => there.includes(field))
  for (const [field, sinceUs] of Object.entries(schema.ready)) {
    // Deleted by hand: from now on there may be writers who know nothing of it.
    if (!there.includes(field)) await forgetReady(dynamo, field, sinceUs)
  }
  const active = new Set(
    (events?.GlobalSecondaryIndexes ?? []).flatMap(({ IndexName, IndexStatus }) => (IndexStatus === 'ACTIVE' ? [IndexName] : [])),
  )
  return {
    all: [...new Set([...eventFields, ...complete])],
    ready: eventFields.filter((field) => complete.includes(field) && active.has(eventIndexOf(field).name)),
  }
}

/** An index that is not there has not every event, even when it is made again. @param sinceUs as it was read */
export async function forgetReady(dynamo: Dynamo, field: string, sinceUs: number): Promise<void> {
  await dynamo.update(
    'keys',
    SCHEMA_KEY,
    {
      update: 'REMOVE #ready.#field',
      condition: '#ready.#field = :sinceUs',
      names: { ready: 'ready', field },
      values: { sinceUs },
    },
    true,
  )
}

/**
 * Looks again and again for indexes that were not ready at the start, until all of them are: then no server needs a restart after a migration.
 * @returns ends it
 */
export function watchIndexes({ dynamo, indexes }: Pick<DynamoContext, 'dynamo' | 'indexes'>, eventFields: readonly string[]): () => void {
  const timer = setInterval(async () => {
    // What keeps it from looking now does not keep the next look.
    const found = await checkTables(dynamo, eventFields).catch(() => undefined)
    if (found !== undefined) indexes.ready = found.ready
    endWhenReady()
  }, WATCH_MS).unref()
  const endWhenReady = (): void => {
    if (eventFields.every((field) => indexes.ready.includes(field))) clearInterval(timer)
  }
  endWhenReady()
  return () => clearInterval(timer)
}

import type { Clock } from '../../../ports.ts'
import { fillEvents } from './backfill.ts'
import type { Dynamo } from './client.ts'
import type { Lease } from './migration-lease.ts'
import { TABLES } from './notation.ts'
import { type Fill, forgetReady, requireSchema, type Schema } from './schema.ts'
import { addIndex, deleteHint, describe, eventIndexOf, indexedFields, indexesOf, indexState } from './tables.ts'

const REPORT_MS = 1000

export interface NewIndexOptions {
  clock: Clock
  eventFields: readonly string[]
  writesPerSecond: number
  report(line: string): void
}

/** Whether tables have all indexes that they are to have, ready to be asked. */
export async function hasIndexes(dynamo: Dynamo, eventFields: readonly string[]): Promise<boolean> {
  for (const table of TABLES) {
    const indexes = indexesOf(table, eventFields)
    if (indexes.length === 0) continue
    const found = await describe(dynamo, table)
    if (found === undefined || indexes.some((index) => indexState(found, index) !== 'active')) return false
  }
  return true
}

/**
 * Adds the indexes that tables are to have, gives the events what those by a field are made of, and marks these as ready.
 * @returns the fields whose index is ready since now, and how many events were written for it
 * @throws Error in words for the operator
 */
export async function makeIndexes(dynamo: Dynamo, lease: Lease, options: NewIndexOptions): Promise<{ fields: string[]; written: number }> {
  const { eventFields } = options
  await forgetDeleted(dynamo)
  await addIndexes(dynamo, options)
  const schema = await requireSchema(dynamo)
  const fields = eventFields.filter((field) => schema.ready[field] === undefined)
  if (fields.length === 0) return { fields, written: 0 }
  const { startedUs, written, late } = await fill(dynamo, lease, fields, schema, options)
  if (late > 0) {
    await lease.write({ update: 'REMOVE #fill', names: { fill: 'fill' } })
    throw new Error(
      `${late} events were created meanwhile without what the indexes by ${fields.join(', ')} need: a server runs without these in ` +
        'DYNAMODB_INDEXES. Restart every server with the setting that this command has, then run it again.',
    )
  }
  await lease.write({
    update: `SET ${fields.map((_, index) => `#ready.#field${index} = :startedUs`).join(', ')} REMOVE #fill`,
    names: { ready: 'ready', fill: 'fill', ...Object.fromEntries(fields.map((field, index) => [`field${index}`, field])) },
    values: { startedUs },
  })
  return { fields, written }
}

/** An index that somebody deleted is begun anew. */
async function forgetDeleted(dynamo: Dynamo): Promise<void> {
  const { ready } = await requireSchema(dynamo)
  const there = indexedFields(await describe(dynamo, 'events'))
  for (const [field, sinceUs] of Object.entries(ready)) {
    if (!there.includes(field)) await forgetReady(dynamo, field, sinceUs)
  }
}

async function addIndexes(dynamo: Dynamo, { eventFields, report }: NewIndexOptions): Promise<void> {
  if (await hasIndexes(dynamo, eventFields)) return
  for (const table of TABLES) {
    for (const index of indexesOf(table, eventFields)) {
      const name = `The index \`${index.name}\` of ${dynamo.tableName(table)}`
      const isAdded = await addIndex(dynamo, table, index, () =>
        report(`${name} is being added: that takes AWS minutes, for a large table hours.`),
      )
      if (isAdded) report(`${name} is added.`)
    }
  }
}

/** Every event; then once more those since the start, which shows whether somebody writes without the attributes. */
async function fill(
  dynamo: Dynamo,
  lease: Lease,
  fields: string[],
  { ready, fill: left }: Schema,
  options: NewIndexOptions,
): Promise<Fill> {
  const { clock, eventFields, report } = options
  // One that was interrupted goes on when it was for all of these.
  const isInterrupted = left !== undefined && fields.every((field) => left.fields.includes(field))
  const none = { workspaceId: '', shard: 0, eventId: '', seen: 0, written: 0, late: 0 }
  const start = isInterrupted ? left : { fields, startedUs: clock.nowUs(), fromUs: 0, ...none }
  report(`Events get what the indexes by ${fields.join(', ')} need${isInterrupted ? `: on behind ${left.seen} that are done` : ''}.`)
  let toldMs = Number.NEGATIVE_INFINITY
  const save = async (fill: Fill): Promise<void> => {
    await lease.write({ update: 'SET #fill = :fill', names: { fill: 'fill' }, values: { fill } })
    if (performance.now() < toldMs + REPORT_MS) return
    toldMs = performance.now()
    report(`${fill.seen} events are done; ${fill.written} of them were written.`)
  }
  // What servers write by now, too.
  const all = [...new Set([...eventFields, ...Object.keys(ready)])]
  const first = await fillEvents(dynamo, start, { ...options, fields: all, save })
  if (first.fromUs > 0) return first
  const again = { ...first, fromUs: first.startedUs, workspaceId: '', shard: 0, eventId: '' }
  return await fillEvents(dynamo, again, { ...options, fields: all, save })
}

/** Indexes by fields that are not configured, and how to delete each. */
export async function unusedIndexes(dynamo: Dynamo, eventFields: readonly string[]): Promise<{ index: string; hint: string }[]> {
  const events = await describe(dynamo, 'events')
  if (events === undefined) return []
  return indexedFields(events)
    .filter((field) => !eventFields.includes(field))
    .map((field) => {
      const { name } = eventIndexOf(field)
      return { index: name, hint: deleteHint(events, { name }) }
    })
}

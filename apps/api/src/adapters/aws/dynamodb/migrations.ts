import type { Clock } from '../../../ports.ts'
import type { Dynamo } from './client.ts'
import { type Lease, takeLease } from './migration-lease.ts'
import { type MigrationStep, STEPS } from './migration-steps.ts'
import { hasIndexes, makeIndexes } from './new-indexes.ts'
import { readSchema, refuseNewer, requireSchema } from './schema.ts'
import { makeTables } from './tables.ts'

export interface MigrateOptions {
  clock: Clock
  /** Fields that events are to have an index by. */
  eventFields: readonly string[]
  /** How many events may be given the attributes of new indexes in a second; else as many as DynamoDB takes. */
  writesPerSecond?: number
  /** Tells the operator how far it is, line by line. */
  report?: (line: string) => void
}

export interface Migrated {
  version: number
  madeTables: string[]
  /** Fields whose index has every event since this run, and of how many events it wrote the attributes. */
  newIndexes: string[]
  writtenEvents: number
}

/**
 * Brings the tables to this program's schema: makes those that are missing, takes each step that they have not seen, and makes every index
 * complete that events are to have. Whatever is done already is left alone; interrupted at any point, it goes on where it was; run twice at
 * once, the second waits for the first. Servers may be running, all with the same `eventFields`.
 * @throws Error in words for the operator; with the tables as they were when a newer program has written them
 */
export function migrate(dynamo: Dynamo, options: MigrateOptions): Promise<Migrated> {
  return runMigrations(dynamo, STEPS, options)
}

/** The same with other steps. */
export async function runMigrations(dynamo: Dynamo, steps: readonly MigrationStep[], options: MigrateOptions): Promise<Migrated> {
  const { clock, eventFields, writesPerSecond = Number.POSITIVE_INFINITY, report = () => {} } = options
  refuseNewer(await readSchema(dynamo), steps.length)
  const madeTables = (await makeTables(dynamo, eventFields)).map(dynamo.tableName)
  for (const name of madeTables) report(`The table ${name} is made.`)
  const result = { version: steps.length, madeTables }
  // What is up to date needs no lease: a server that starts on it waits for nobody.
  if (await isUpToDate(dynamo, steps.length, eventFields)) return { ...result, newIndexes: [], writtenEvents: 0 }
  const lease = await takeLease(dynamo, clock, report)
  try {
    await takeSteps(dynamo, steps, lease, report)
    const made = await makeIndexes(dynamo, lease, { clock, eventFields, writesPerSecond, report })
    return { ...result, newIndexes: made.fields, writtenEvents: made.written }
  } finally {
    await lease.end()
  }
}

async function isUpToDate(dynamo: Dynamo, version: number, eventFields: readonly string[]): Promise<boolean> {
  const schema = await readSchema(dynamo)
  return (
    schema?.version === version &&
    eventFields.every((field) => schema.ready[field] !== undefined) &&
    (await hasIndexes(dynamo, Object.keys(schema.ready)))
  )
}

async function takeSteps(dynamo: Dynamo, steps: readonly MigrationStep[], lease: Lease, report: (line: string) => void): Promise<void> {
  for (;;) {
    const schema = await requireSchema(dynamo)
    refuseNewer(schema, steps.length)
    const { version, position } = schema
    const step = steps[version]
    if (step === undefined) return
    report(`Version ${version + 1}: ${step.name}${position === undefined ? '' : ', from where it was interrupted'}.`)
    const save = (position: string) =>
      lease.write({ update: 'SET #position = :position', names: { position: 'position' }, values: { position } })
    await step.run({ dynamo, position, save, report })
    await lease.write({
      update: 'SET #version = :version REMOVE #position',
      names: { version: 'version', position: 'position' },
      values: { version: version + 1 },
    })
  }
}

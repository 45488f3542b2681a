import { expect, it } from 'vitest'
import { startDynamodbLocal } from '../../../testing/dynamodb-local.ts'
import { tablesWithoutTtl, writeEvents } from '../../../testing/dynamodb-migrations.ts'
import { systemClock } from '../../system-clock.ts'
import type { MigrationStep } from './migration-steps.ts'
import { migrate, runMigrations } from './migrations.ts'
import { checkTables, readSchema, SCHEMA_KEY } from './schema.ts'
import { describe, makeTables } from './tables.ts'

const server = await startDynamodbLocal()

if (server === undefined) {
  it.skip('migrates tables: needs a JDK and Maven', () => {})
} else {
  const { dynamoOf, dynamoWithTtlOf, newPrefix, newTables } = tablesWithoutTtl(server.url)
  const clock = systemClock

  it('is done once when two do it at once: the second waits', async () => {
    const dynamo = await newTables()
    await writeEvents(dynamo, [], { count: 400 })
    const lines: string[] = []
    const both = await Promise.all(
      [1, 2].map(() => migrate(dynamo, { clock, eventFields: ['priority'], report: (line) => lines.push(line) })),
    )
    expect(both.map(({ writtenEvents }) => writtenEvents).sort()).toEqual([0, 400])
    expect(both.flatMap(({ newIndexes }) => newIndexes)).toEqual(['priority'])
    expect(lines).toContain('Another migration is under way: waiting until it ends.')
    expect(await checkTables(dynamo, ['priority'])).toMatchObject({ ready: ['priority'] })
  })

  it('ends when another has taken over, and changes the progress no more', async () => {
    const dynamo = await newTables()
    await writeEvents(dynamo, [], { count: 400 })
    const lines: string[] = []
    const slow = migrate(dynamo, {
      clock,
      eventFields: ['priority'],
      // After the first page a clock that is ahead finds the lease at its end, as after a long pause.
      report: (line) => {
        if (/events are done/.test(line) && lines.push(line) === 1) other = migrate(dynamo, { clock: later, eventFields: ['priority'] })
      },
      writesPerSecond: 100,
    })
    const later = { nowUs: () => clock.nowUs() + 60_000_000 }
    let other: Promise<unknown> | undefined
    await expect(slow).rejects.toThrow('Another migration has taken over')
    expect(await other).toMatchObject({ newIndexes: ['priority'] })
    expect(await checkTables(dynamo, ['priority'])).toMatchObject({ ready: ['priority'] })
    expect(await readSchema(dynamo)).toMatchObject({ fill: undefined })
  })

  /** Steps that note when they are run, and how. */
  function notedSteps(count: number) {
    const runs: string[] = []
    const steps = Array.from({ length: count }, (_, index): MigrationStep => {
      const name = `step ${index + 1}`
      return { name, run: async ({ position }) => void runs.push(position === undefined ? name : `${name} from ${position}`) }
    })
    return { runs, steps }
  }

  it('takes each step once, in order, from the version on that the tables have', async () => {
    const dynamo = await newTables(['source'])
    const { runs, steps } = notedSteps(4)
    const options = { clock, eventFields: ['source'] }
    expect(await runMigrations(dynamo, steps.slice(0, 3), options)).toMatchObject({ version: 3 })
    expect(runs).toEqual(['step 2', 'step 3'])
    await expect(checkTables(dynamo, ['source'], 4)).rejects.toThrow(
      /^The table \S+-keys has schema 3; this program needs schema 4. Run `pnpm/,
    )
    const lines: string[] = []
    await Promise.all([1, 2, 3].map(() => runMigrations(dynamo, steps, { ...options, report: (line) => lines.push(line) })))
    expect(runs).toEqual(['step 2', 'step 3', 'step 4'])
    expect(lines).toContain('Version 4: step 4.')
    expect(await checkTables(dynamo, ['source'], 4)).toMatchObject({ ready: ['source'] })
  })

  it('goes on within a step where it failed, and takes no later one before', async () => {
    const dynamo = await newTables()
    const { runs, steps } = notedSteps(3)
    const failing: MigrationStep = {
      name: 'failing',
      run: async ({ save }) => {
        await save('page 7')
        throw new Error('The disk of the test is full.')
      },
    }
    const options = { clock, eventFields: [] }
    await expect(runMigrations(dynamo, [...steps.slice(0, 1), failing, ...steps.slice(2)], options)).rejects.toThrow('The disk of the test')
    expect(await readSchema(dynamo)).toMatchObject({ version: 1, position: 'page 7' })
    expect(runs).toEqual([])
    // The lease was given back: nobody waits.
    const lines: string[] = []
    await runMigrations(dynamo, steps, { ...options, report: (line) => lines.push(line) })
    expect(runs).toEqual(['step 2 from page 7', 'step 3'])
    expect(lines[0]).toBe('Version 2: step 2, from where it was interrupted.')
    expect(await readSchema(dynamo)).toMatchObject({ version: 3, position: undefined })
  })

  it('refuses tables that a newer program has written, and leaves them as they are', async () => {
    const dynamo = await newTables(['source'])
    const { steps } = notedSteps(7)
    await runMigrations(dynamo, steps, { clock, eventFields: ['source'] })
    const before = await dynamo.get('keys', SCHEMA_KEY)
    const said = /^The tables were written by a newer version of Triggers \(schema 7; this program knows 1\)\. Start that version/
    await dynamo.raw.deleteTable({ TableName: dynamo.tableName('rate-limits') })
    await expect(checkTables(dynamo, ['source', 'priority'])).rejects.toThrow(said)
    await expect(migrate(dynamo, { clock, eventFields: ['source', 'priority'] })).rejects.toThrow(said)
    expect(await dynamo.get('keys', SCHEMA_KEY)).toEqual(before)
    expect(await describe(dynamo, 'rate-limits')).toBeUndefined()
    expect((await describe(dynamo, 'events'))?.GlobalSecondaryIndexes).toHaveLength(2)
  })

  it('takes tables that were made by other means', async () => {
    const dynamo = dynamoOf(newPrefix())
    await makeTables(dynamo, ['source'])
    await expect(checkTables(dynamo, ['source'])).rejects.toThrow(
      /^The table \S+-keys has no schema yet; this program needs schema 1. Run `pnpm/,
    )
    expect(await migrate(dynamo, { clock, eventFields: ['source'] })).toMatchObject({ version: 1, madeTables: [], newIndexes: ['source'] })
    expect(await checkTables(dynamo, ['source'])).toEqual({ all: ['source'], ready: ['source'] })
  })

  it('makes tables that are of the newest version, with indexes that are ready at once, and then finds nothing to do', async () => {
    const dynamo = dynamoWithTtlOf(newPrefix())
    const options = { clock, eventFields: ['source', 'event_type'] }
    const names = ['events', 'keys', 'webhooks', 'deliveries', 'rate-limits'] as const
    await expect(checkTables(dynamo, [])).rejects.toThrow(/^The table \S+-events does not exist. Run `pnpm admin migrate`/)
    expect(await migrate(dynamo, options)).toEqual({
      version: 1,
      madeTables: names.map(dynamo.tableName),
      newIndexes: options.eventFields,
      writtenEvents: 0,
    })
    for (const name of names) {
      expect(await describe(dynamo, name)).toMatchObject({ BillingModeSummary: { BillingMode: 'PAY_PER_REQUEST' } })
      const ttl = await dynamo.raw.describeTimeToLive({ TableName: dynamo.tableName(name) })
      expect(ttl.TimeToLiveDescription).toEqual({ AttributeName: 'ttl', TimeToLiveStatus: 'ENABLED' })
    }
    expect(await checkTables(dynamo, options.eventFields)).toEqual({ all: options.eventFields, ready: options.eventFields })
    const lines: string[] = []
    const again = await migrate(dynamo, { ...options, report: (line) => lines.push(line) })
    expect(again).toEqual({ version: 1, madeTables: [], newIndexes: [], writtenEvents: 0 })
    expect(lines).toEqual([])
  })

  it('is the same when several processes make the tables at once', async () => {
    const prefix = newPrefix()
    const options = { clock, eventFields: ['source'] }
    const results = await Promise.all(Array.from({ length: 3 }, () => migrate(dynamoOf(prefix), options)))
    expect(results.flatMap(({ newIndexes }) => newIndexes)).toEqual(['source'])
    expect(new Set(results.flatMap(({ madeTables }) => madeTables)).size).toBe(5)
    expect(await checkTables(dynamoOf(prefix), ['source'])).toEqual({ all: ['source'], ready: ['source'] })
  })
}

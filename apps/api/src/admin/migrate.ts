import { systemClock } from '../adapters/system-clock.ts'
import { command } from './command.ts'
import { withDynamo } from './dynamodb.ts'

/** Half of what a partition takes, if each event is one unit: the other half is for the servers. */
const WRITES_PER_SECOND = 500

export const migrateCommand = command({
  name: 'migrate',
  summary: 'Makes the tables of DynamoDB, or brings them to the schema and the indexes that this version is to have.',
  options: {
    'writes-per-second': {
      value: 'N',
      help: `How many events get the attributes of new indexes in a second. Default: ${WRITES_PER_SECOND}.`,
    },
  },
  notes: [
    'It makes the tables that are missing, takes the steps from the schema that they have to that of this version, and adds an index for each',
    'field of DYNAMODB_INDEXES that has none; then the events that are there get what it is made of. How far it is stands on standard error.',
    'Interrupted, it goes on where it was when it is run again. Run twice at once, the second waits.',
    'For a new index: first restart every server with the new DYNAMODB_INDEXES, then run this with the same; servers use the index when it is',
    'complete. They may run meanwhile. Indexes that are not in DYNAMODB_INDEXES are left alone, and named.',
    'With AUTH_MODE=local the server does this itself when it starts, as it does with STORE=sqlite.',
  ],
  run: async ({ wholeNumber }, { config, print, progress }) => {
    const writesPerSecond = wholeNumber('writes-per-second', 1, 1_000_000) ?? WRITES_PER_SECOND
    const eventFields = config.dynamodb.eventIndexes
    await withDynamo(config, 'With STORE=sqlite the server brings its database to its schema when it starts.', async (dynamo) => {
      const { migrate } = await import('../adapters/aws/dynamodb/migrations.ts')
      const { unusedIndexes } = await import('../adapters/aws/dynamodb/new-indexes.ts')
      const { version, madeTables, newIndexes, writtenEvents } = await migrate(dynamo, {
        clock: systemClock,
        eventFields,
        writesPerSecond,
        report: progress,
      })
      const unused = await unusedIndexes(dynamo, eventFields)
      print.one(
        {
          schema_version: version,
          made_tables: madeTables,
          new_indexes: newIndexes,
          written_events: writtenEvents,
          unused_indexes: unused.map(({ index, hint }) => ({ index, hint })),
        },
        [
          `The tables ${config.dynamodb.tablePrefix}* are of schema ${version}, with indexes by ${eventFields.join(', ') || 'no field'}.`,
          ...(newIndexes.length === 0 ? [] : [`New: by ${newIndexes.join(', ')}; ${writtenEvents} events were written for it.`]),
          ...unused.map(
            ({ index, hint }) => `The index \`${index}\` is not in DYNAMODB_INDEXES. Servers keep it complete until it is deleted. ${hint}`,
          ),
        ],
      )
    })
  },
})

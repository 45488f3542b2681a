import { setTimeout as sleep } from 'node:timers/promises'
import type {
  CreateTableCommandInput,
  GlobalSecondaryIndex,
  GlobalSecondaryIndexDescription,
  TableDescription,
} from '@aws-sdk/client-dynamodb'
import type { Dynamo } from './client.ts'
import { DynamoError, dynamoErrorOf } from './errors.ts'
import { TABLES, type Table } from './notation.ts'

/** The attribute with the second after which DynamoDB may remove an item, and the seconds' source: reads judge expiry themselves. */
export const TTL_ATTRIBUTE = 'ttl'

export interface IndexDesign {
  name: string
  hash: string
  range: string
  /** Attributes beside the keys; none: keys only. */
  includes?: string[]
}

/** The index of the pending events, and where the others are named after what they are by. */
export const PENDING_INDEX = 'pending'

const FIELD_INDEX = 'by-'

/** The index of events by a field, and the attribute that is its hash key. @param field `source`, `event_type`, `priority`, `metadata.<key>` */
export const eventIndexOf = (field: string): { name: string; attribute: string } => ({
  name: FIELD_INDEX + field,
  attribute: `by_${field}`,
})

export const DELIVERY_INDEXES = { byWebhook: 'by-webhook', byEvent: 'by-event', due: 'due' } as const

/** All indexes of a table. @param eventFields that events have an index by */
export function indexesOf(table: Table, eventFields: readonly string[]): IndexDesign[] {
  if (table === 'events') {
    const byField = eventFields.map((field) => {
      const { name, attribute } = eventIndexOf(field)
      return { name, hash: attribute, range: 'state' }
    })
    return [{ name: PENDING_INDEX, hash: 'pending', range: 'sk' }, ...byField]
  }
  if (table === 'deliveries') {
    return [
      { name: DELIVERY_INDEXES.byWebhook, hash: 'webhook', range: 'pk', includes: ['status', 'expiresAtUs'] },
      { name: DELIVERY_INDEXES.byEvent, hash: 'event', range: 'pk', includes: ['status', 'webhookId', 'expiresAtUs'] },
      { name: DELIVERY_INDEXES.due, hash: 'lane', range: 'due' },
    ]
  }
  return []
}

/** The fields that a table of events has an index by, in whatever state. */
export function indexedFields(events: TableDescription | undefined): string[] {
  const names = (events?.GlobalSecondaryIndexes ?? []).flatMap(({ IndexName, IndexStatus }) =>
    IndexName === undefined || IndexStatus === 'DELETING' ? [] : [IndexName],
  )
  return names.filter((name) => name.startsWith(FIELD_INDEX)).map((name) => name.slice(FIELD_INDEX.length))
}

/**
 * Whether an index is there, and can be asked.
 * @throws Error in words for the operator for an index of that name over other attributes
 */
export function indexState(table: TableDescription, index: IndexDesign): 'none' | 'changing' | 'active' {
  const found = (table.GlobalSecondaryIndexes ?? []).find(({ IndexName }) => IndexName === index.name)
  if (found === undefined) return 'none'
  if (found.IndexStatus !== 'DELETING' && keysOf(found) !== keysOf(indexInput(index))) {
    throw new Error(
      `The index \`${index.name}\` of the table ${table.TableName} has other keys than this program's. ${deleteHint(table, index)}`,
    )
  }
  return found.IndexStatus === 'ACTIVE' ? 'active' : 'changing'
}

const keysOf = ({ KeySchema = [] }: GlobalSecondaryIndexDescription | GlobalSecondaryIndex): string =>
  KeySchema.map(({ AttributeName, KeyType }) => `${KeyType} ${AttributeName}`).join()

/** How an operator removes an index. */
export function deleteHint({ TableName }: TableDescription, { name }: Pick<IndexDesign, 'name'>): string {
  const change = JSON.stringify([{ Delete: { IndexName: name } }])
  return `To delete it: aws dynamodb update-table --table-name ${TableName} --global-secondary-index-updates '${change}'`
}

/** What CreateTable and UpdateTable take. */
function indexInput({ name, hash, range, includes }: IndexDesign): GlobalSecondaryIndex {
  return {
    IndexName: name,
    KeySchema: [
      { AttributeName: hash, KeyType: 'HASH' },
      { AttributeName: range, KeyType: 'RANGE' },
    ],
    Projection: includes === undefined ? { ProjectionType: 'KEYS_ONLY' } : { ProjectionType: 'INCLUDE', NonKeyAttributes: includes },
  }
}

function attributeInput(names: Iterable<string>) {
  return [...new Set(names)].map((name) => ({ AttributeName: name, AttributeType: 'S' as const }))
}

/**
 * Makes the tables that are not there, each with its indexes and its TTL. Those that are there keep the indexes that they have.
 * @returns those that it made
 */
export async function makeTables(dynamo: Dynamo, eventFields: readonly string[]): Promise<Table[]> {
  const made = new Set<Table>()
  const make = async (table: Table): Promise<void> => {
    if (await makeTable(dynamo, table, eventFields)) made.add(table)
  }
  const inTurn = async (tables: readonly Table[]): Promise<void> => {
    for (const table of tables) await make(table)
  }
  const hasIndexes = (table: Table): boolean => indexesOf(table, []).length > 0
  // AWS makes one table with indexes at a time.
  await Promise.all([inTurn(TABLES.filter(hasIndexes)), ...TABLES.filter((table) => !hasIndexes(table)).map(make)])
  return TABLES.filter((table) => made.has(table))
}

async function makeTable(dynamo: Dynamo, table: Table, eventFields: readonly string[]): Promise<boolean> {
  const TableName = dynamo.tableName(table)
  const indexes = indexesOf(table, eventFields)
  const input: CreateTableCommandInput = {
    TableName,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: attributeInput(['pk', 'sk', ...indexes.flatMap(({ hash, range }) => [hash, range])]),
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
    ...(indexes.length > 0 && { GlobalSecondaryIndexes: indexes.map(indexInput) }),
  }
  // Another process may be making it, too.
  const isMade =
    (await describe(dynamo, table)) === undefined && (await unlessRefused(/^ResourceInUse/, dynamo, () => dynamo.raw.createTable(input)))
  await waitUntilActive(dynamo, table)
  const TimeToLiveSpecification = { AttributeName: TTL_ATTRIBUTE, Enabled: true }
  const { TimeToLiveDescription } = await dynamo.call(() => dynamo.raw.describeTimeToLive({ TableName }), true)
  if (TimeToLiveDescription?.TimeToLiveStatus === 'DISABLED') {
    await unlessRefused(/^(ResourceInUse|ValidationException)/, dynamo, () =>
      dynamo.raw.updateTimeToLive({ TableName, TimeToLiveSpecification }),
    )
  }
  return isMade
}

/** Changes a table. @returns false when DynamoDB refuses for a reason of that name, which says that somebody else is changing it */
async function unlessRefused(reason: RegExp, dynamo: Dynamo, ask: () => Promise<object>): Promise<boolean> {
  try {
    await dynamo.call(ask, true)
    return true
  } catch (error) {
    if (error instanceof DynamoError && reason.test(error.reason)) return false
    throw error
  }
}

/**
 * Adds an index to a table that is there, unless it has it, and waits until it can be asked, which takes AWS minutes.
 * @param onAdd told when there is one to add
 * @returns whether there was
 * @throws Error in words for the operator
 */
export async function addIndex(dynamo: Dynamo, table: Table, index: IndexDesign, onAdd: () => void = () => {}): Promise<boolean> {
  for (let tries = 0; ; tries++) {
    // AWS changes one index at a time; so one that somebody is adding or deleting is waited for, too.
    const found = await waitUntilActive(dynamo, table)
    if (indexState(found, index) === 'active') return tries > 0
    refuseTooMany(found, index)
    if (tries === 0) onAdd()
    const { AttributeDefinitions = [] } = found
    const known = new Set(AttributeDefinitions.map(({ AttributeName }) => AttributeName))
    const more = attributeInput([index.hash, index.range]).filter(({ AttributeName }) => !known.has(AttributeName))
    const isAsked = await unlessRefused(/^(ResourceInUse|LimitExceeded)/, dynamo, () =>
      dynamo.raw.updateTable({
        TableName: dynamo.tableName(table),
        AttributeDefinitions: [...AttributeDefinitions, ...more],
        GlobalSecondaryIndexUpdates: [{ Create: indexInput(index) }],
      }),
    )
    if (!isAsked) await sleep(waitMs(tries))
  }
}

/** DynamoDB's own limit. */
const TABLE_INDEXES = 20

function refuseTooMany(table: TableDescription, index: IndexDesign): void {
  const { GlobalSecondaryIndexes = [] } = table
  if (GlobalSecondaryIndexes.length < TABLE_INDEXES) return
  const names = GlobalSecondaryIndexes.map(({ IndexName }) => IndexName).join(', ')
  throw new Error(
    `The table ${table.TableName} has ${GlobalSecondaryIndexes.length} indexes (${names}); DynamoDB allows no more, so \`${index.name}\` cannot be added. Delete one that no server uses.`,
  )
}

export async function describe(dynamo: Dynamo, table: Table): Promise<TableDescription | undefined> {
  try {
    return (await dynamo.call(() => dynamo.raw.describeTable({ TableName: dynamo.tableName(table) }), true)).Table
  } catch (error) {
    const failure = dynamoErrorOf(error)
    if (failure.reason === 'ResourceNotFoundException') return undefined
    throw failure
  }
}

/** A table that was made a moment ago may not be seen at once. */
const UNSEEN_TRIES = 30

/** Waits until the table and all its indexes can be used. @throws Error when there is no such table */
async function waitUntilActive(dynamo: Dynamo, table: Table): Promise<TableDescription> {
  for (let tries = 0; ; tries++) {
    const found = await describe(dynamo, table)
    const indexes = found?.GlobalSecondaryIndexes ?? []
    if (found?.TableStatus === 'ACTIVE' && indexes.every(({ IndexStatus }) => IndexStatus === 'ACTIVE')) return found
    if (found === undefined && tries > UNSEEN_TRIES) throw new Error(`The table ${dynamo.tableName(table)} does not exist.`)
    await sleep(waitMs(tries))
  }
}

/** Soon at first, for DynamoDB Local; then every five seconds. */
const waitMs = (tries: number): number => Math.min(5000, 25 * 1.5 ** tries)

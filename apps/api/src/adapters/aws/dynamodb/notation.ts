/** What a request to DynamoDB says, and how its answers are read: our words and the SDK's. */
import type { CancellationReason } from '@aws-sdk/client-dynamodb'
import type { TransactWriteCommandInput } from '@aws-sdk/lib-dynamodb'
import { unmarshall } from '@aws-sdk/util-dynamodb'
import { isThrottled } from '../errors.ts'
import { DynamoError } from './errors.ts'

/** The tables, without the prefix of their names. */
export const TABLES = ['events', 'keys', 'webhooks', 'deliveries', 'rate-limits'] as const
export type Table = (typeof TABLES)[number]

/** Every table has these two, both texts. */
export interface Key {
  pk: string
  sk: string
}

/** As it is stored; who reads it knows what is in it. */
// biome-ignore lint/suspicious/noExplicitAny: DynamoDB has no schema beyond the key; each reader gives its items a type at once
export type Item = Key & Record<string, any>

/** A condition in DynamoDB's words; `names` and `values` without their `#` and `:`. */
export interface Expression {
  names?: Record<string, string>
  values?: Record<string, unknown>
}

export interface Condition extends Expression {
  condition: string
}

export interface Update extends Expression {
  /** `SET a = :a REMOVE b`. */
  update: string
  condition?: string
  /** Whether the item is left out of the answer, where it may be large. */
  isSilent?: boolean
}

/** `isDone` false: the condition did not hold; `old` is the item as it stands, undefined when there is none. */
export type WriteResult = { isDone: true; item?: Item } | { isDone: false; old: Item | undefined }

/** One write of a transaction. */
export type Write =
  | ({ table: Table; put: Item } & Partial<Condition>)
  | ({ table: Table; key: Key } & Update)
  | ({ table: Table; remove: Key } & Partial<Condition>)
  | ({ table: Table; check: Key } & Condition)

/** Of a transaction that was cancelled: for each write whether its own condition failed, and the item that it met. */
export interface Refusal {
  isRefused: boolean
  old: Item | undefined
}

export interface Query extends Expression {
  table: Table
  index?: string
  /** The condition on the keys: `pk = :pk AND sk > :after`. */
  where: string
  filter?: string
  order?: 'asc' | 'desc'
  limit?: number
  /** The `next` of the page before. */
  from?: Record<string, unknown> | undefined
  /** Only these attributes, names as in `names`: `pk, #status`. */
  attributes?: string
  /** Index reads are never strongly consistent; table reads are, unless told otherwise. */
  isConsistent?: boolean
}

/** A PartiQL statement of a batch: `UPDATE`, `INSERT` or `DELETE` by a whole key. `table` stands for `$table` in the text. */
export interface Statement {
  table: Table
  text: string
  parameters: unknown[]
}

/** `refused`: the condition did not hold (`old`: what stands there), or the item to insert was there. */
export type StatementResult =
  | { outcome: 'done' }
  | { outcome: 'refused'; old: Item | undefined }
  | { outcome: 'failed'; error: DynamoError }

export function projectionOf(attributes: readonly string[]) {
  const names = ['pk', 'sk', ...attributes]
  return {
    ProjectionExpression: names.map((name) => `#${name}`).join(', '),
    ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
  }
}

export function expressionOf({ names, values }: Expression) {
  return {
    ...(names !== undefined && { ExpressionAttributeNames: withMark('#', names) }),
    ...(values !== undefined && { ExpressionAttributeValues: withMark(':', values) }),
  }
}

export function conditionOf(condition: Partial<Condition> | undefined) {
  if (condition?.condition === undefined) return {}
  return { ConditionExpression: condition.condition, ...expressionOf(condition), ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const }
}

export function updateOf(update: Update) {
  return {
    UpdateExpression: update.update,
    ...expressionOf(update),
    ...(update.condition !== undefined && {
      ConditionExpression: update.condition,
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
    }),
  }
}

export function transactItemOf(write: Write, TableName: string): NonNullable<TransactWriteCommandInput['TransactItems']>[number] {
  if ('put' in write) return { Put: { TableName, Item: write.put, ...conditionOf(write) } }
  if ('remove' in write) return { Delete: { TableName, Key: keyOf(write.remove), ...conditionOf(write) } }
  if ('check' in write) {
    return {
      ConditionCheck: {
        TableName,
        Key: keyOf(write.check),
        ConditionExpression: write.condition,
        ...expressionOf(write),
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      },
    }
  }
  return { Update: { TableName, Key: keyOf(write.key), ...updateOf(write) } }
}

const keyOf = ({ pk, sk }: Key): Key => ({ pk, sk })

function withMark<Value>(mark: string, values: Record<string, Value>): Record<string, Value> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [mark + name, value]))
}

export function itemOf(attributes: Record<string, unknown>): Item {
  const { pk, sk } = attributes
  if (typeof pk !== 'string' || typeof sk !== 'string') throw new TypeError('An item has no key.')
  return { ...attributes, pk, sk }
}

export function keyText(key: Record<string, unknown> | undefined): string {
  return `${key?.['pk']}\n${key?.['sk']}`
}

export function requestKey(request: { PutRequest: { Item: Item } } | { DeleteRequest: { Key: Key } }): string {
  const { pk, sk } = 'PutRequest' in request ? request.PutRequest.Item : request.DeleteRequest.Key
  return `${pk}\n${sk}`
}

/** What an error carries in DynamoDB's own notation. */
export function attributesOf(item: unknown): Parameters<typeof unmarshall>[0] {
  if (typeof item !== 'object' || item === null) throw new TypeError('An error has no item.')
  // The SDK's own types say so; `unknown` is what is left of them in a caught error.
  return item as Parameters<typeof unmarshall>[0]
}

export function cancellationsOf(error: Error): CancellationReason[] {
  return 'CancellationReasons' in error && Array.isArray(error.CancellationReasons) ? error.CancellationReasons : []
}

export function refusalOf({ Code, Item }: CancellationReason): Refusal {
  return { isRefused: Code === 'ConditionalCheckFailed', old: Item === undefined ? undefined : itemOf(unmarshall(Item)) }
}

export function statementResultOf(
  response: { Error?: { Code?: string | undefined; Item?: Record<string, unknown> | undefined } | undefined } | undefined,
): StatementResult {
  const error = response?.Error
  if (response !== undefined && error === undefined) return { outcome: 'done' }
  const reason = error?.Code ?? 'unknown'
  if (reason === 'ConditionalCheckFailed' || reason === 'DuplicateItem') {
    return { outcome: 'refused', old: error?.Item === undefined ? undefined : itemOf(error.Item) }
  }
  return { outcome: 'failed', error: new DynamoError(reason, `DynamoDB: a write failed (${reason}).`, !isThrottled(reason)) }
}

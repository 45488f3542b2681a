import { setTimeout as sleep } from 'node:timers/promises'
import type { Dynamo } from './client.ts'
import { jitter } from './connection.ts'
import type { Item, Statement, Table } from './notation.ts'

/** How long items that DynamoDB refused for the moment are asked for again while not one of them gets through. */
const TRY_AGAIN_MS = 4000

/**
 * Writes items, each on its own; those that are there already, in whatever state, stay as they are. It takes as long as it must: many are more than a
 * slow or throttled table takes in a few seconds, and who gave up and began anew would never come to an end.
 * @returns for each whether it was written; one whose answer was lost may say that it was there
 * @throws DynamoError when it is not known of one whether it is there: writing all of them again is harmless
 */
export async function insertItems({ execute }: Pick<Dynamo, 'execute'>, table: Table, items: readonly Item[]): Promise<boolean[]> {
  const written = items.map(() => false)
  let left = items.map((item, index) => ({ item, index }))
  let endMs = performance.now() + TRY_AGAIN_MS
  for (let tries = 1; left.length > 0; tries++) {
    const results = await execute(left.map(({ item }) => insertStatement(table, item)))
    const failed: typeof left = []
    let failure: unknown
    for (const [n, one] of left.entries()) {
      const result = results[n]
      if (result?.outcome === 'done') written[one.index] = true
      if (result?.outcome !== 'failed') continue
      failure = result.error
      failed.push(one)
    }
    if (failed.length < left.length) [tries, endMs] = [1, performance.now() + TRY_AGAIN_MS]
    else if (performance.now() > endMs) throw failure
    left = failed
    if (left.length > 0) await sleep(jitter(tries))
  }
  return written
}

function insertStatement(table: Table, item: Item): Statement {
  const attributes = Object.entries(item)
  const fields = attributes.map(([name]) => `'${name}': ?`).join(', ')
  return { table, text: `INSERT INTO $table VALUE {${fields}}`, parameters: attributes.map(([, value]) => value) }
}

/** Deliveries in tests with a DynamoDB that can be made to fail, or to be late. */

import { CommitClock } from '../adapters/aws/dynamodb/commit-clock.ts'
import type { DynamoContext } from '../adapters/aws/dynamodb/context.ts'
import { createWorkspaces } from '../adapters/aws/dynamodb/workspaces.ts'
import type { StoreHarness } from '../adapters/conformance/harness.ts'
import type { DynamodbAnswer, Fault } from './dynamodb-faults.ts'
import type { TestTables } from './dynamodb-tables.ts'
import type { FakeClock } from './fake-clock.ts'
import { type FaultyStore, openFaultyStore } from './faulty-store.ts'

export interface DeliverySession extends FaultyStore {
  /** For the helpers of the suites, by way of the store that is spared. */
  suite: StoreHarness
  /** Of a server of its own, which is spared, too. */
  context: DynamoContext
}

/** Goes away with the test. */
export async function openDeliveries(tables: TestTables, endpointUrl: string): Promise<DeliverySession> {
  const session = await openFaultyStore(tables, endpointUrl)
  const { other, clock, tablePrefix } = session
  const suite: StoreHarness = {
    store: other,
    clock,
    reopen: () => Promise.reject(new Error('not used')),
    settle: async () => session.settle(),
    sweeps: false,
  }
  return { ...session, suite, context: contextOf(tables, tablePrefix, clock) }
}

function contextOf(tables: TestTables, tablePrefix: string, clock: FakeClock): DynamoContext {
  const dynamo = tables.dynamoOf(tablePrefix)
  return {
    dynamo,
    clock,
    commitClock: new CommitClock(clock),
    workspaces: createWorkspaces(dynamo, clock, 4),
    eventTtlUs: 7 * 86_400e6,
    settleUs: 4_000_000,
    indexes: { all: [], ready: [] },
  }
}

/** Each Query is answered as it was the first time: an index that stands still. */
export function frozenIndex(): Fault {
  const answers = new Map<string, Promise<DynamodbAnswer>>()
  return async ({ body, forward }) => {
    const question = body.toString()
    const answer = answers.get(question) ?? forward()
    answers.set(question, answer)
    return await answer
  }
}

import type { Dynamo } from '../adapters/aws/dynamodb/client.ts'
import { systemClock } from '../adapters/system-clock.ts'
import type { Config } from '../config.ts'
import { StoreUnavailableError } from '../ports.ts'

/**
 * Does something with the tables themselves.
 * @param why what the embedded store has instead, for who has no tables
 * @throws Error in words for the operator
 */
export async function withDynamo<Result>(config: Config, why: string, use: (dynamo: Dynamo) => Promise<Result>): Promise<Result> {
  if (config.store !== 'dynamodb') throw new Error(`This command is for STORE=dynamodb, which is not set. ${why}`)
  // The SDK takes memory and time, which who does without DynamoDB keeps.
  const { createDynamo } = await import('../adapters/aws/dynamodb/client.ts')
  const dynamo = createDynamo({ ...config.dynamodb, clock: systemClock })
  try {
    return await use(dynamo)
  } catch (error) {
    throw error instanceof StoreUnavailableError ? new Error(`It is not done. ${error.message} It can be run again.`) : error
  } finally {
    dynamo.close()
  }
}

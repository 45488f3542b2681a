/** A DynamoDB for tests. */
import { afterAll } from 'vitest'
import { DYNAMODB_LOCAL } from './java-programs.ts'
import { type JavaServer, startJavaServer } from './java-server.ts'

/**
 * Where the DynamoDB of all files of vitest's project `dynamodb` is, which is left out, loudly, where there can be none: `dynamodb-setup.ts`.
 * @throws Error in any other run that names none
 */
export function dynamodbUrl(): string {
  const url = process.env['DYNAMODB_ENDPOINT_URL']
  if (url === undefined) throw new Error('Tests of DynamoDB are of the project `dynamodb`, or need DYNAMODB_ENDPOINT_URL.')
  return url
}

/**
 * One that the tests of a file may stop and start. For the top of the file, with which it ends.
 * @returns undefined where there is no JDK; it has been said on standard error
 */
export async function startDynamodbLocal(): Promise<JavaServer | undefined> {
  const server = await startJavaServer(DYNAMODB_LOCAL, { purpose: 'tests of DynamoDB', variable: 'DYNAMODB_ENDPOINT_URL' })
  afterAll(() => server?.stop())
  return server
}

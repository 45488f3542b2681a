/** An SQS for tests. */
import { afterAll } from 'vitest'
import { ELASTICMQ } from './java-programs.ts'
import { type JavaServer, startJavaServer } from './java-server.ts'

/**
 * Where an SQS for tests is: the one that `SQS_ENDPOINT_URL` names, else an ElasticMQ that ends with this process.
 * @returns undefined where there is neither that nor a JDK; it has been said on standard error
 */
export async function sqsForTests(): Promise<string | undefined> {
  return process.env['SQS_ENDPOINT_URL'] ?? (await startElasticmq())?.url
}

/** One that the tests of a file may stop and start; undefined as above. For the top of the file, with which it ends. */
export async function startElasticmq(): Promise<JavaServer | undefined> {
  const server = await startJavaServer(ELASTICMQ, { purpose: 'tests of SQS', variable: 'SQS_ENDPOINT_URL' })
  afterAll(() => server?.stop())
  return server
}

/** DynamoDB Local with a proxy in front that counts, and ElasticMQ: in a process of their own, with which they end. One task, one answer. */
import type { DynamodbCounts } from '../../api/src/testing/dynamodb-counts.ts'
import { type DynamodbProxy, startDynamodbProxy } from '../../api/src/testing/dynamodb-proxy.ts'
import { DYNAMODB_LOCAL, ELASTICMQ } from '../../api/src/testing/java-programs.ts'
import { startJavaServer } from '../../api/src/testing/java-server.ts'

export interface DynamodbUrls {
  directUrl: string
  countingUrl: string
  sqsUrl: string
}

/** `take`: the counts since the last time. */
export type DynamodbTask = { type: 'start' } | { type: 'take' }
/** Null: there is no JDK; it has been said on standard error. */
export type DynamodbResult = { urls: DynamodbUrls | null } | { counts: DynamodbCounts }
export type DynamodbReply = { result: DynamodbResult } | { failure: string }

let proxy: DynamodbProxy | undefined

async function start(): Promise<DynamodbUrls | null> {
  const purpose = 'the benchmark of the store on DynamoDB'
  const { DYNAMODB_ENDPOINT_URL, SQS_ENDPOINT_URL } = process.env
  const directUrl = DYNAMODB_ENDPOINT_URL ?? (await startJavaServer(DYNAMODB_LOCAL, { purpose, variable: 'DYNAMODB_ENDPOINT_URL' }))?.url
  const sqsUrl = SQS_ENDPOINT_URL ?? (await startJavaServer(ELASTICMQ, { purpose, variable: 'SQS_ENDPOINT_URL' }))?.url
  if (directUrl === undefined || sqsUrl === undefined) return null
  proxy = await startDynamodbProxy(directUrl)
  return { directUrl, countingUrl: proxy.url, sqsUrl }
}

async function run(task: DynamodbTask): Promise<DynamodbResult> {
  if (task.type === 'start') return { urls: await start() }
  if (proxy === undefined) throw new Error('There is no proxy yet.')
  const counts = proxy.counts()
  proxy.reset()
  return { counts }
}

process.on('message', async (task: DynamodbTask) => {
  const reply: DynamodbReply = await run(task).then(
    (result) => ({ result }),
    (error: unknown) => ({ failure: error instanceof Error ? error.message : String(error) }),
  )
  process.send?.(reply)
})
process.on('disconnect', () => process.exit(0))

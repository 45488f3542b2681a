import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { runAdmin } from '../testing/admin-process.ts'
import { startElasticmq } from '../testing/elasticmq.ts'
import { newMasterKey } from '../testing/keyed-server.ts'
import { type ReceiverOptions, startReceiver } from '../testing/receiver.ts'
import { createdEvent } from '../testing/server-events.ts'
import { runToExit, type ServerProcess, startServer } from '../testing/server-process.ts'
import { startSqsProxy } from '../testing/sqs-proxy.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

const elasticmq = await startElasticmq()

async function askJson(server: ServerProcess, path: string, body?: unknown) {
  const answer = await server.request(path, body === undefined ? {} : { method: 'POST', body })
  const text = await answer.text()
  expect(answer.status, `${path}: ${text}`).toBeLessThan(300)
  return JSON.parse(text)
}

/** A server on that SQS, with a webhook that sends to a receiver of the test's. */
async function startAll(sqsUrl: string, respond?: ReceiverOptions['respond']) {
  const receiver = await startReceiver(respond === undefined ? {} : { respond })
  onTestFinished(() => receiver.close())
  const server = await startServer({ DATA_DIR: temporaryDirectory(), QUEUE: 'sqs', SQS_ENDPOINT_URL: sqsUrl })
  const webhook = await askJson(server, '/v1/webhooks', { url: receiver.url, events: ['*'], retry: 'short' })
  const webhookId: string = webhook.webhook_id
  return { receiver, server, webhookId }
}

async function deliveriesOf(
  server: ServerProcess,
  webhookId: string,
): Promise<{ status: string; event_id: string; attempts: unknown[] }[]> {
  return (await askJson(server, `/v1/webhooks/${webhookId}/deliveries?limit=100`)).deliveries
}

/** Waits until the webhook has so many deliveries, and all are done. */
async function untilDelivered(server: ServerProcess, webhookId: string, count: number): Promise<void> {
  const statuses = async () => (await deliveriesOf(server, webhookId)).map(({ status }) => status)
  await expect.poll(statuses, { timeout: 25_000, interval: 200 }).toEqual(Array.from({ length: count }, () => 'delivered'))
}

async function expectCleanStop(server: ServerProcess): Promise<void> {
  const startMs = performance.now()
  server.kill('SIGTERM')
  expect(await server.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - startMs).toBeLessThan(8000)
}

describe.skipIf(elasticmq === undefined)('a server with QUEUE=sqs', () => {
  const url = elasticmq?.url ?? ''

  it('delivers, retries and replays by jobs in SQS, and stops cleanly', async () => {
    const proxy = await startSqsProxy(url)
    onTestFinished(() => proxy.close())
    const { server, webhookId, receiver } = await startAll(proxy.url, (_, n) => ({ status: n === 2 ? 500 : 204 }))
    await createdEvent(server, 'first')
    await receiver.waitFor(1)
    const retried = await createdEvent(server, 'second')
    await untilDelivered(server, webhookId, 2)
    const delivery = (await deliveriesOf(server, webhookId)).find(({ event_id }) => event_id === retried)
    expect(delivery?.attempts).toHaveLength(2)

    const sentBefore = proxy.calls.filter((call) => call === 'SendMessageBatch').length
    await askJson(server, `/v1/webhooks/${webhookId}/replay`, { since: '2020-01-01T00:00:00Z' })
    await untilDelivered(server, webhookId, 4)
    expect(receiver.requests).toHaveLength(5)
    expect(proxy.calls.filter((call) => call === 'SendMessageBatch').length).toBeGreaterThan(sentBefore)
    expect(proxy.calls).toEqual(expect.arrayContaining(['CreateQueue', 'ReceiveMessage', 'DeleteMessageBatch']))
    expect(server.stdout().split('\n')).toHaveLength(5)
    await expectCleanStop(server)
  })

  it('goes on while SQS is away for five seconds, and loses nothing', async () => {
    if (elasticmq === undefined) return
    const { server, webhookId, receiver } = await startAll(url, (_, n) => ({ status: n % 7 === 0 ? 500 : 204 }))
    const created: string[] = []
    const create = async (count: number) => {
      for (let n = 0; n < count; n++) created.push(await createdEvent(server, 'away'))
    }
    await create(5)
    await receiver.waitFor(3)
    await elasticmq.stop()
    const awayMs = performance.now()
    await create(5)
    await askJson(server, `/v1/webhooks/${webhookId}/replay`, { since: '2020-01-01T00:00:00Z', status: 'none' })
    await sleep(5000 - (performance.now() - awayMs))
    await create(5)
    await elasticmq.start()
    await create(5)
    await untilDelivered(server, webhookId, 20)
    const got = new Set(receiver.requests.map(({ headers }) => headers['webhook-id']))
    expect(got).toEqual(new Set(created.map((eventId) => `msg_${eventId.replaceAll('-', '')}`)))
    const complaints = server.stdout().match(/"msg":"the queue is unavailable: the sweep finds the work meanwhile"/g)
    expect(complaints).toHaveLength(1)
    expect(server.stdout()).toMatch(/SQS, queue triggers-api-jobs: it cannot be reached \(E[A-Z]+\)/)
    expect(server.stdout()).not.toMatch(/"level":50/)
    await expectCleanStop(server)
  })

  it('stops cleanly while SQS is away', async () => {
    if (elasticmq === undefined) return
    const { server } = await startAll(url)
    onTestFinished(() => elasticmq.start())
    await elasticmq.stop()
    await expectCleanStop(server)
  })

  it('does not start without its queue where keys are real, and names it', async () => {
    const environment = { DATA_DIR: temporaryDirectory(), QUEUE: 'sqs', SQS_ENDPOINT_URL: url, SQS_QUEUE_NAME: 'not-made' }
    const exit = await runToExit({ ...environment, AUTH_MODE: 'keys', ENCRYPTION_KEY: newMasterKey() })
    expect(exit).toMatchObject({ code: 1, stdout: '' })
    expect(exit.stderr).toMatch(/^QUEUE=sqs cannot be used\. The SQS queue not-made-dead does not exist: [^\n]*OPERATING\.md[^\n]*\n$/)
  })
})

it('does not start on an SQS that is not there', async () => {
  const exit = await runToExit({ DATA_DIR: temporaryDirectory(), QUEUE: 'sqs', SQS_ENDPOINT_URL: 'http://127.0.0.1:9' })
  expect(exit).toMatchObject({ code: 1, stdout: '' })
  expect(exit.stderr).toMatch(
    /^QUEUE=sqs cannot be used\. SQS, queue triggers-api-jobs-?\w*: it cannot be reached [^\n]*SQS_ENDPOINT_URL[^\n]*\n$/,
  )
})

it("is nothing that the operator's commands need", async () => {
  const environment = { DATA_DIR: temporaryDirectory(), QUEUE: 'sqs', SQS_ENDPOINT_URL: 'http://127.0.0.1:9' }
  expect(await runAdmin(environment, ['list-workspaces'])).toMatchObject({ code: 0, stderr: '' })
})

it('does not start without a region', async () => {
  const exit = await runToExit({
    DATA_DIR: temporaryDirectory(),
    QUEUE: 'sqs',
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 'secret-of-ours',
  })
  expect(exit).toMatchObject({ code: 1, stdout: '' })
  expect(exit.stderr).toMatch(/^QUEUE=sqs cannot be used\. [^\n]*set AWS_REGION[^\n]*\n$/)
  expect(exit.stderr).not.toContain('secret-of-ours')
})

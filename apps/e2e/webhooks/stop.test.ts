/** A server that is told to stop while it delivers: what can be finished is finished and kept, and what cannot comes again. */
import { expect, it, onTestFinished } from 'vitest'
import { createLab, deliveriesOf, type Lab, type Server, untilAllAre, untilAllIsWell } from './lab.ts'
import { messageIdOf, type Reply } from './receiver.ts'

const EVENTS = 20

function newLab(): Lab {
  const lab = createLab()
  onTestFinished(() => lab.close())
  return lab
}

async function createEvents({ triggers }: Server, count: number): Promise<string[]> {
  const events = Array.from({ length: count }, () => ({ source: 'lab', event_type: 'stop.tested', payload: {} }))
  const created = await triggers.events.createMany(events)
  return created.map((result) => messageIdOf(result.ok ? result.value.event_id : expect.fail(result.error.message)))
}

it('finishes and keeps the deliveries that are under way, and the next start sends none of them again', async () => {
  const lab = newLab()
  const settings = { DATA_DIR: lab.folder(), WEBHOOK_TIMEOUT_MS: '20000', SHUTDOWN_TIMEOUT_MS: '20000' }
  const server = await lab.startServer(settings)
  const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<Reply>()
  const receiver = await lab.startReceiver(() => mayAnswer)
  const { webhook_id } = await server.triggers.webhooks.create({ url: receiver.url, events: ['*'] })
  const messages = await createEvents(server, EVENTS)
  await untilAllIsWell(10_000, () => (receiver.received.length > 1 ? undefined : 'nothing is under way'))
  server.kill('SIGTERM')
  // It takes no more calls: the signal has come through.
  await untilAllIsWell(10_000, () =>
    server.triggers.whoami().then(
      () => 'it answers calls',
      () => undefined,
    ),
  )
  answer(204)
  expect(await server.exited).toEqual({ code: 0, signal: null })
  const finished = receiver.received.map(({ messageId }) => messageId)
  expect(finished.length).toBeLessThan(EVENTS)

  const next = await lab.startServer(settings)
  const kept = await deliveriesOf(next, webhook_id, { status: 'delivered' })
  expect(kept.map(({ event_id }) => messageIdOf(event_id))).toEqual(expect.arrayContaining(finished))
  await untilAllAre('delivered', next, webhook_id, EVENTS)
  expect(receiver.received.map(({ messageId }) => messageId).toSorted()).toEqual(messages.toSorted())
})

it('gives up a delivery that hangs when its time to stop is over; it comes again when its hold has ended', async () => {
  const lab = newLab()
  const settings = { DATA_DIR: lab.folder(), WEBHOOK_TIMEOUT_MS: '3000', SHUTDOWN_TIMEOUT_MS: '500' }
  const server = await lab.startServer(settings)
  const receiver = await lab.startReceiver(({ time }) => (time === 1 ? 'hang' : 204))
  const { webhook_id } = await server.triggers.webhooks.create({ url: receiver.url, events: ['*'] })
  const [message] = await createEvents(server, 1)
  await untilAllIsWell(10_000, () => (receiver.received.length === 1 ? undefined : 'nothing is under way'))
  server.kill('SIGTERM')
  expect(await server.exited).toEqual({ code: 0, signal: null })

  const next = await lab.startServer(settings)
  const [delivery] = await deliveriesOf(next, webhook_id)
  // Had it been waited for, it would have failed by its timeout, and that would be kept.
  expect(delivery).toMatchObject({ status: 'pending', attempts: [] })
  await untilAllAre('delivered', next, webhook_id, 1, 60_000)
  expect(receiver.received.map(({ messageId }) => messageId)).toEqual([message, message])
})

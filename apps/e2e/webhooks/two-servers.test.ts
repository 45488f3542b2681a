/** Two servers on one folder: they share the work, and what one of them leaves behind the other does. */
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { createLab, deliveriesOf, type Lab, type Server, untilAllAre, untilAllIsWell } from './lab.ts'
import { messageIdOf, type Receiver } from './receiver.ts'

const WEBHOOKS = 3
const EVENTS = 600
const BULK = 20
const TYPE = 'shared.work'

/** The way of one server to the receivers, so that it is known whether it sends: a proxy that counts the connections it was asked for. */
async function startGate(lab: Lab): Promise<{ url: string; connections(): number }> {
  let connections = 0
  const sockets = new Set<Socket>()
  const server = createServer()
  server.on('connect', (request, client: Socket) => {
    connections++
    const [host, port] = String(request.url).split(':')
    const onward = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(onward).pipe(client)
    })
    for (const socket of [client, onward]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => {
        client.destroy()
        onward.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  lab.onClose(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  // It listens on a TCP port, so its address is of that form.
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, connections: () => connections }
}

async function startTwo() {
  const lab = createLab()
  onTestFinished(() => lab.close())
  const folder = lab.folder()
  const start = async () => {
    const gate = await startGate(lab)
    const server = await lab.startServer({ DATA_DIR: folder, WEBHOOK_TIMEOUT_MS: '1000', WEBHOOK_PROXY_URL: gate.url })
    return { gate, server }
  }
  // One after the other: the first makes the database and the key.
  const first = await start()
  const second = await start()
  return { lab, first, second }
}

async function subscribe({ triggers }: Server, receiver: Receiver): Promise<string[]> {
  const make = async () => (await triggers.webhooks.create({ url: receiver.url, events: [TYPE] })).webhook_id
  return await Promise.all(Array.from({ length: WEBHOOKS }, make))
}

/** @returns the messages that stand for them */
async function createEvents({ triggers }: Server, count: number): Promise<string[]> {
  const events = Array.from({ length: count }, () => ({ source: 'lab', event_type: TYPE, payload: {} }))
  const created = await triggers.events.createMany(events, { concurrency: 1 })
  return created.flatMap((result) => (result.ok ? [messageIdOf(result.value.event_id)] : []))
}

/** What the webhooks lack; undefined: nothing. */
function missing(webhookIds: readonly string[], messages: readonly string[], receiver: Receiver): string | undefined {
  const lacks = webhookIds.map((webhookId) => messages.filter((message) => !receiver.of(webhookId).has(message)).length)
  return lacks.every((lack) => lack === 0) ? undefined : `the webhooks lack ${lacks.join(', ')} of ${messages.length} events`
}

it('each event comes exactly once, although both deliver', { timeout: 120_000 }, async () => {
  const { lab, first, second } = await startTwo()
  const receiver = await lab.startReceiver()
  const webhookIds = await subscribe(first.server, receiver)
  const halves = await Promise.all([first, second].map(({ server }) => createEvents(server, EVENTS / 2)))
  const messages = halves.flat()
  expect(messages).toHaveLength(EVENTS)
  for (const webhookId of webhookIds) await untilAllAre('delivered', second.server, webhookId, EVENTS)
  for (const webhookId of webhookIds) expect([...receiver.of(webhookId).keys()].toSorted()).toEqual(messages.toSorted())
  expect(receiver.received.filter(({ time }) => time > 1)).toEqual([])
  for (const { gate } of [first, second]) expect(gate.connections()).toBeGreaterThan(0)
})

it('each event still comes, at least once, when one of them is killed under load', { timeout: 120_000 }, async () => {
  const { lab, first, second } = await startTwo()
  const receiver = await lab.startReceiver(async () => {
    await sleep(20)
    return 204
  })
  const webhookIds = await subscribe(first.server, receiver)
  const messages: string[] = []
  const produce = async (server: Server) => {
    // The one that is killed loses its answers with it: what nobody was told of is no promise.
    for (let made = 0; made < EVENTS / 2; made += BULK) messages.push(...(await createEvents(server, BULK)))
  }
  const producing = Promise.all([produce(first.server), produce(second.server)])
  await untilAllIsWell(30_000, () => {
    const isAtWork = first.gate.connections() > 0 && receiver.received.length > 100
    return isAtWork ? undefined : `only ${receiver.received.length} requests have come`
  })
  first.server.kill('SIGKILL')
  expect(await first.server.exited).toEqual({ code: null, signal: 'SIGKILL' })
  await producing
  expect(messages.length).toBeGreaterThanOrEqual(EVENTS / 2)
  // What it held comes when its hold has ended, after 11 s.
  await untilAllIsWell(60_000, () => missing(webhookIds, messages, receiver))
  for (const webhookId of webhookIds) {
    const made = (await deliveriesOf(second.server, webhookId)).length
    await untilAllAre('delivered', second.server, webhookId, made)
    expect(made).toBeGreaterThanOrEqual(messages.length)
  }
})

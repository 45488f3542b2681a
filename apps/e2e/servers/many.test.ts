/** Four servers that share a DynamoDB and an SQS behave as one, whichever of them is asked, and whichever of them dies. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectionError } from '@triggers/client'
import { expect, it, onTestFinished } from 'vitest'
import { createLab, deliveriesOf, type Lab, type Server, untilAllAre, untilAllIsWell } from '../webhooks/lab.ts'
import { isAccepted, messageIdOf, type Receiver } from '../webhooks/receiver.ts'

const SERVERS = 4
/** How long a server may go on as before a change that another one has answered. */
const EVERYWHERE_MS = 5000
const TYPE = 'many.work'
/** A request of a second, its margin, and what a worker takes to look. */
const AFTER_A_DEATH_MS = 60_000

async function startMany(settings: Record<string, string> = {}) {
  const lab = createLab()
  onTestFinished(() => lab.close())
  const folder = lab.folder()
  const start = () => lab.startServer({ DATA_DIR: folder, WEBHOOK_TIMEOUT_MS: '1000', ...settings })
  // The first makes the tables and the key.
  const first = await start()
  const servers = [first, ...(await Promise.all(Array.from({ length: SERVERS - 1 }, start)))]
  return { lab, servers, first, start }
}

/** What each server answers to that key. */
async function statuses(servers: readonly Server[], apiKey: string): Promise<number[]> {
  return await Promise.all(servers.map(async ({ url }) => (await fetch(`${url}/v1/whoami`, { headers: { 'x-api-key': apiKey } })).status))
}

async function createOn({ triggers }: Server, count: number): Promise<string[]> {
  const events = Array.from({ length: count }, () => ({ source: 'lab', event_type: TYPE, payload: {} }))
  const created = await triggers.events.createMany(events, { concurrency: 1 })
  return created.flatMap((result) => (result.ok ? [result.value.event_id] : []))
}

const subscribe = async ({ triggers }: Server, receiver: Receiver, path = ''): Promise<string> =>
  (await triggers.webhooks.create({ url: `${receiver.url}/${path}`, events: [TYPE] })).webhook_id

/** A receiver that notes when two requests for one delivery were under way at once. */
async function startStrictReceiver(lab: Lab) {
  const underWay = new Set<string>()
  const overlaps: string[] = []
  const receiver = await lab.startReceiver(async ({ webhookId, messageId }) => {
    const delivery = `${webhookId} ${messageId}`
    if (underWay.has(delivery)) overlaps.push(delivery)
    underWay.add(delivery)
    await sleep(20)
    underWay.delete(delivery)
    return 204
  })
  return { receiver, overlaps }
}

it('an event that one takes is read by all, and acknowledged by one', { timeout: 300_000 }, async () => {
  const { servers } = await startMany()
  const ids = (await Promise.all(servers.map((server) => createOn(server, 50)))).flat()
  expect(ids).toHaveLength(SERVERS * 50)
  for (const { triggers } of servers) {
    await untilAllIsWell(15_000, async () => {
      const seen: string[] = []
      for await (const { event_id } of triggers.inbox.list({ limit: 100 })) seen.push(event_id)
      expect(seen).toEqual(seen.toSorted())
      const lack = ids.filter((id) => !seen.includes(id)).length
      return lack === 0 && seen.length === ids.length ? undefined : `${seen.length} events are listed, and ${lack} lack`
    })
  }
  const outcomes = await Promise.all(
    ids.slice(0, 40).flatMap((id) =>
      servers.map(({ triggers }) =>
        triggers.inbox.ack(id).then(
          () => 'acknowledged',
          (error: unknown) => (error instanceof Error ? error.name : 'unknown'),
        ),
      ),
    ),
  )
  expect(outcomes.filter((outcome) => outcome === 'acknowledged')).toHaveLength(40)
  expect(new Set(outcomes)).toEqual(new Set(['acknowledged', 'ConflictError']))
})

it('a key that is made works at once, and one that is revoked works nowhere after five seconds', { timeout: 300_000 }, async () => {
  const { servers, first } = await startMany()
  const made = await first.triggers.apiKeys.create({ name: 'many', scopes: ['events:write'] })
  expect(await statuses(servers, made.api_key)).toEqual(servers.map(() => 200))
  await servers.at(-1)?.triggers.apiKeys.delete(made.key_id)
  await sleep(EVERYWHERE_MS)
  expect(await statuses(servers, made.api_key)).toEqual(servers.map(() => 401))
})

it('a limit holds for all together, but for a second of it on each', { timeout: 300_000 }, async () => {
  const { servers, first } = await startMany()
  const limit = 600
  const { api_key } = await first.triggers.apiKeys.create({ name: 'limited', scopes: ['events:write'], rate_limit_per_minute: limit })
  const startMs = performance.now()
  let allowed = 0
  const drain = async (server: Server) => {
    for (let refused = 0; refused < 5; ) {
      const [status] = await statuses([server], api_key)
      if (status === 200) allowed++
      else refused++
    }
  }
  await Promise.all(servers.flatMap((server) => [drain(server), drain(server), drain(server)]))
  const gained = (limit * (performance.now() - startMs)) / 60_000
  expect(allowed).toBeGreaterThanOrEqual(limit)
  expect(allowed).toBeLessThanOrEqual(Math.ceil(limit + gained + SERVERS * (limit / 60)))
})

it('a webhook that is changed on one is served so by all after five seconds', { timeout: 300_000 }, async () => {
  const { lab, servers, first } = await startMany()
  const receiver = await lab.startReceiver()
  const pathsOf = (ids: readonly string[]) =>
    receiver.received.filter(({ messageId }) => ids.map(messageIdOf).includes(messageId)).map(({ path }) => path)
  const created = async () => (await Promise.all(servers.map((server) => createOn(server, 5)))).flat()
  const untilReceived = (ids: readonly string[]) =>
    untilAllIsWell(20_000, () => (pathsOf(ids).length >= ids.length ? undefined : `${pathsOf(ids).length} of ${ids.length} have come`))

  const webhookId = await subscribe(first, receiver, 'former')
  const former = await created()
  await untilReceived(former)
  await servers[1]?.triggers.webhooks.update(webhookId, { url: `${receiver.url}/newer` })
  await sleep(EVERYWHERE_MS)
  const newer = await created()
  await untilReceived(newer)
  expect(pathsOf(former)).toEqual(former.map(() => '/former'))
  expect(pathsOf(newer)).toEqual(newer.map(() => '/newer'))
  await servers[2]?.triggers.webhooks.update(webhookId, { is_active: false })
  await sleep(EVERYWHERE_MS)
  const unwanted = await created()
  const witness = await subscribe(first, receiver, 'witness')
  const [last = ''] = await createOn(first, 1)
  // When a later event has come to another webhook, these would have come, too.
  await untilAllIsWell(20_000, () => (receiver.of(witness).has(messageIdOf(last)) ? undefined : 'the witness has nothing'))
  expect(pathsOf(unwanted)).toEqual([])
})

it('each event is sent once, whichever server took it', { timeout: 600_000 }, async () => {
  const { lab, servers, first } = await startMany()
  const { receiver, overlaps } = await startStrictReceiver(lab)
  const webhookIds = [await subscribe(first, receiver), await subscribe(first, receiver)]
  const ids = (await Promise.all(servers.map((server) => createOn(server, 100)))).flat()
  expect(ids).toHaveLength(SERVERS * 100)
  for (const webhookId of webhookIds) await untilAllAre('delivered', first, webhookId, ids.length, 180_000)
  for (const webhookId of webhookIds) expect([...receiver.of(webhookId).keys()].toSorted()).toEqual(ids.map(messageIdOf).toSorted())
  expect(receiver.received.filter(({ time }) => time > 1)).toEqual([])
  expect(overlaps).toEqual([])
})

it('any of them may die at any time: what was answered is delivered', { timeout: 900_000 }, async () => {
  const { lab, servers, start } = await startMany()
  const { receiver, overlaps } = await startStrictReceiver(lab)
  const webhookId = await subscribe(servers[0] ?? (await start()), receiver)
  const answered: string[] = []
  let isOver = false
  const produce = async (place: number) => {
    while (!isOver) {
      try {
        const server = servers[place]
        if (server !== undefined) answered.push(...(await createOn(server, 5)))
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error
      }
      await sleep(50)
    }
  }
  const producing = Promise.all(servers.map((_, place) => produce(place)))
  for (let round = 0; round < 2 * SERVERS; round++) {
    await sleep(1500)
    const place = round % SERVERS
    const dying = servers[place]
    dying?.kill('SIGKILL')
    expect(await dying?.exited).toEqual({ code: null, signal: 'SIGKILL' })
    servers[place] = await start()
  }
  isOver = true
  await producing
  const survivor = servers[0] ?? (await start())
  expect(answered.length).toBeGreaterThan(100)
  await untilAllIsWell(AFTER_A_DEATH_MS, () => {
    const got = receiver.of(webhookId)
    const lost = answered.filter((id) => !(got.get(messageIdOf(id))?.some(isAccepted) ?? false))
    return lost.length === 0 ? undefined : `${lost.length} of ${answered.length} have not come: ${lost.slice(0, 3).join(', ')}`
  })
  await untilAllIsWell(AFTER_A_DEATH_MS, async () => {
    const open = (await deliveriesOf(survivor, webhookId)).filter(({ status }) => status !== 'delivered').length
    return open === 0 ? undefined : `${open} deliveries are not delivered`
  })
  // A request of a server that died ends at the receiver by itself, long before another server may take its delivery.
  expect(overlaps).toEqual([])
  // Each event has been made once: a death makes no second one, and none is delivered under another id.
  expect(new Set(answered).size).toBe(answered.length)
  expect((await deliveriesOf(survivor, webhookId)).length).toBe(receiver.of(webhookId).size)
})

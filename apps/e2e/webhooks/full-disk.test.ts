/** What a receiver has answered cannot be stored, as the disk is full: it is neither lost nor, where that can be helped, sent again. */
import { spawnSync } from 'node:child_process'
import { ApiError } from '@triggers/client'
import { expect, it, onTestFinished, type TestContext } from 'vitest'
import { createLab, deliveriesOf, type Server, untilAllAre, untilAllIsWell } from './lab.ts'
import type { Reply } from './receiver.ts'

const hasPrlimit = spawnSync('prlimit', ['--version'], { stdio: 'ignore' }).status === 0

/** How many bytes any file of the running server may have: beyond them a write fails. Only the soft limit, which can be raised again. */
function limitFiles(server: Server, bytes: '0' | 'unlimited'): void {
  const { status, stderr } = spawnSync('prlimit', [`--pid=${server.pid}`, `--fsize=${bytes}:`], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`prlimit failed: ${stderr}`)
}

const create = async ({ triggers }: Server, eventType: string) =>
  await triggers.events.create({ source: 'lab', event_type: eventType, payload: {} }).then(
    () => true,
    (error: unknown) => {
      if (error instanceof ApiError && error.status === 503) return false
      throw error
    },
  )

async function answeredWhileFull(skip: TestContext['skip'], timeoutMs: number) {
  if (!hasPrlimit) {
    console.warn('SKIPPED: deliveries on a full disk. There is no prlimit to make one with.')
    return skip('no prlimit')
  }
  const lab = createLab()
  onTestFinished(() => lab.close())
  const server = await lab.startServer({ DATA_DIR: lab.folder(), WEBHOOK_TIMEOUT_MS: String(timeoutMs) })
  const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<Reply>()
  const receiver = await lab.startReceiver(() => mayAnswer)
  const { webhook_id } = await server.triggers.webhooks.create({ url: receiver.url, events: ['disk.wanted'] })
  expect(await create(server, 'disk.wanted')).toBe(true)
  await untilAllIsWell(10_000, () => (receiver.received.length === 1 ? undefined : 'nothing is under way'))
  limitFiles(server, '0')
  expect(await create(server, 'disk.refused')).toBe(false)
  answer(204)
  return { server, receiver, webhookId: webhook_id }
}

it('stores the outcome when there is room again, and sends nothing twice', { timeout: 120_000 }, async ({ skip }) => {
  const { server, receiver, webhookId } = await answeredWhileFull(skip, 60_000)
  // Behind these the outcome has been tried, too.
  for (let tries = 0; tries < 5; tries++) expect(await create(server, 'disk.refused')).toBe(false)
  expect(await deliveriesOf(server, webhookId)).toMatchObject([{ status: 'pending', attempts: [] }])
  limitFiles(server, 'unlimited')
  await untilAllAre('delivered', server, webhookId, 1)
  expect(await create(server, 'disk.wanted')).toBe(true)
  await untilAllAre('delivered', server, webhookId, 2)
  expect(receiver.received.map(({ time }) => time)).toEqual([1, 1])
})

it('sends it again, as the same message, when there is no room until its hold has ended', { timeout: 120_000 }, async ({ skip }) => {
  const { server, receiver, webhookId } = await answeredWhileFull(skip, 3000)
  await untilAllIsWell(60_000, () => (server.output().includes('could not be recorded') ? undefined : 'the outcome is still tried'))
  expect(await deliveriesOf(server, webhookId)).toMatchObject([{ status: 'pending', attempts: [] }])
  limitFiles(server, 'unlimited')
  await untilAllAre('delivered', server, webhookId, 1)
  expect(receiver.received.map(({ time }) => time)).toEqual([1, 2])
})

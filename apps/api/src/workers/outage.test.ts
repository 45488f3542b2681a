import { describe, expect, it } from 'vitest'
import { type Store, StoreUnavailableError } from '../ports.ts'
import { receivedBy, spelled, type TestWorkers, testWorkers } from '../testing/webhook-workers.ts'
import type { Queue } from '../webhook-ports.ts'

const AWAY_MS = 3000

/** The same, but for calls that reject while `isAway` says so of their name. */
function failing<Target extends object>(target: Target, isAway: (name: string) => boolean): Target {
  return new Proxy(target, {
    get: (from, name) => {
      const member: unknown = Reflect.get(from, name)
      if (typeof member !== 'function' || typeof name !== 'string' || name === 'close' || name.startsWith('watch')) return member
      return (...values: unknown[]) =>
        isAway(name) ? Promise.reject(new StoreUnavailableError('away')) : Reflect.apply(member, from, values)
    },
  })
}

/** Workers whose store and queue are away for a while from the first call of that name on. */
async function workersThatLose(method: string): Promise<TestWorkers> {
  let endsMs = Number.POSITIVE_INFINITY
  const isAway = (name: string) => {
    if (name === method && endsMs === Number.POSITIVE_INFINITY) endsMs = performance.now() + AWAY_MS
    return endsMs !== Number.POSITIVE_INFINITY && performance.now() < endsMs
  }
  return await testWorkers({
    wrapStore: (store: Store) => failing(store, isAway),
    wrapQueue: (queue: Queue) => failing(queue, isAway),
  })
}

describe('a store that is away for three seconds', () => {
  it.each([
    'readOutbox',
    'fanOut',
    'listWebhooks',
    'claimDeliveries',
    'recordAttempts',
    'listDueLanes',
    'listRunningReplays',
    'getReplay',
    'listEvents',
    'deliveryStatuses',
    'advanceReplay',
    'receive',
    'ack',
    'delay',
  ])(
    'loses nothing, and sends nothing twice: from %s on',
    async (method) => {
      const workers = await workersThatLose(method)
      const receiver = await workers.receiver()
      const { webhookId } = await workers.addWebhook({ url: receiver.url })
      const replayed = spelled(await workers.createEvents(10, { eventType: 'user.created' }))
      const other = await workers.addWebhook({ url: receiver.url, events: ['user.*'] })
      workers.start()
      const live = spelled(await workers.createEvents(10))
      const { replayId } = await workers.startReplay(other.webhookId)
      await workers.waitForStatus(webhookId, 'delivered', 20)
      await expect.poll(async () => (await workers.store.getReplay(replayId))?.status, { timeout: 20_000 }).toBe('completed')
      expect(receivedBy(receiver, webhookId).sort()).toEqual([...live, ...replayed].sort())
      expect(receivedBy(receiver, other.webhookId).sort()).toEqual([...replayed].sort())
      expect(workers.lines.filter((line) => line.includes('"level":50'))).toEqual([])
    },
    45_000,
  )
})

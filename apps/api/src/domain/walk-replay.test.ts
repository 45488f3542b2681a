import { describe, expect, it } from 'vitest'
import { FakeClock } from '../testing/fake-clock.ts'
import { type TestWorkers, testWorkers } from '../testing/webhook-workers.ts'
import { walkReplay } from './walk-replay.ts'

/** A webhook, events, and a replay of all of them; nothing is sent. */
async function replayOf(events: number, rate: number) {
  const clock = new FakeClock()
  const workers = await testWorkers({ clock })
  const eventIds = await workers.createEvents(events)
  clock.advance({ seconds: 1 })
  const { webhookId } = await workers.addWebhook()
  const { replayId } = await workers.startReplay(webhookId, { rate })
  return { workers, eventIds, webhookId, replayId }
}

/** Steps until none is due; how many there were. */
async function walk(workers: TestWorkers, replayId: string): Promise<number> {
  for (let steps = 1; ; steps++) {
    const step = await walkReplay(workers, replayId)
    if (step?.nextMs !== 0) return steps
  }
}

describe('a replay is walked', () => {
  it('in two turns: all matches are counted before the first delivery is made', async () => {
    const { workers, webhookId, replayId } = await replayOf(30, 1000)
    expect(await walkReplay(workers, replayId)).toMatchObject({ made: 0, nextMs: 0, replay: { matched: 30, enqueued: 0 } })
    expect(await workers.deliveriesOf(webhookId)).toEqual([])
    expect(await walkReplay(workers, replayId)).toMatchObject({
      made: 30,
      nextMs: undefined,
      replay: { matched: 30, enqueued: 30, isWalked: true },
    })
  })

  it('in the order of the events, each once, by several workers at once', async () => {
    const { workers, eventIds, webhookId, replayId } = await replayOf(200, 1000)
    for (let turn = 0; turn < 3; turn++) await Promise.all(Array.from({ length: 5 }, () => walkReplay(workers, replayId)))
    expect((await workers.deliveriesOf(webhookId)).map(({ eventId }) => eventId)).toEqual(eventIds)
    expect(await workers.store.getReplay(replayId)).toMatchObject({ matched: 200, enqueued: 200 })
  })

  it('no further than two seconds ahead of its rate', async () => {
    const { workers, webhookId, replayId } = await replayOf(100, 30)
    await walk(workers, replayId)
    expect(await walkReplay(workers, replayId)).toMatchObject({ made: 0, nextMs: 1000 })
    expect(await workers.deliveriesOf(webhookId)).toHaveLength(60)
  })

  it('20 deliveries ahead at least', async () => {
    const { workers, webhookId, replayId } = await replayOf(100, 1)
    await walk(workers, replayId)
    expect(await workers.deliveriesOf(webhookId)).toHaveLength(20)
  })
})

describe('a replay that does not run', () => {
  it('is not walked', async () => {
    const { workers, replayId } = await replayOf(3, 1)
    await workers.store.endReplay(replayId, 'cancelled', null)
    expect(await walkReplay(workers, replayId)).toBeUndefined()
    expect(await walkReplay(workers, '01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e')).toBeUndefined()
  })

  it('has failed when its webhook is not active', async () => {
    const { workers, webhookId, replayId } = await replayOf(3, 1)
    await workers.changeWebhook(webhookId, { isActive: false })
    expect(await walkReplay(workers, replayId)).toBeUndefined()
    expect(await workers.store.getReplay(replayId)).toMatchObject({ status: 'failed' })
  })
})

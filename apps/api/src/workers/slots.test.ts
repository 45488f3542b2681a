import { describe, expect, it } from 'vitest'
import { FakeClock } from '../testing/fake-clock.ts'
import type { Lane } from '../webhook-ports.ts'
import { type AttemptSlot, type AttemptVerdict, createSlots, type Slots, type TakenSlots } from './slots.ts'

const live = (webhookId: string): Lane => ({ webhookId, replayId: null })
const replay = (webhookId: string): Lane => ({ webhookId, replayId: 'replay' })

/** What the lane gets at once; undefined when it has to wait. The waiting goes on. */
async function takeNow(slots: Slots, lane: Lane): Promise<TakenSlots | undefined> {
  return Promise.race([slots.take(lane), new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)))])
}

/** Takes all that the lane gets at once, and begins an attempt in each. */
async function fill(slots: Slots, lane: Lane): Promise<AttemptSlot[]> {
  const taken = await takeNow(slots, lane)
  return taken?.use(taken.count, 0) ?? []
}

/** Makes so many attempts, one after the other, that end like that. */
async function learn(slots: Slots, webhookId: string, verdict: AttemptVerdict, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const taken = await slots.take(live(webhookId))
    taken?.use(1, 0)[0]?.release(verdict)
  }
}

describe('the window of a webhook', () => {
  it.each([
    ['nothing is known', [], 4],
    ['three succeeded', [['succeeded', 3]], 7],
    ['many succeeded', [['succeeded', 100]], 32],
    [
      'the last of many failed',
      [
        ['succeeded', 100],
        ['failed', 1],
      ],
      16,
    ],
    [
      'many failed',
      [
        ['succeeded', 100],
        ['failed', 10],
      ],
      1,
    ],
    ['one event was refused', [['neither', 5]], 4],
  ] as const)('when %s', async (_, history, expected) => {
    const slots = createSlots(new FakeClock())
    for (const [verdict, count] of history) await learn(slots, 'a', verdict, count)
    expect((await slots.take(live('a')))?.count).toBe(expected)
  })

  it('gives more only when a quarter is free', async () => {
    const slots = createSlots(new FakeClock())
    await learn(slots, 'a', 'succeeded', 12)
    const attempts = await fill(slots, live('a'))
    expect(attempts).toHaveLength(16)
    const next = slots.take(live('a'))
    for (const attempt of attempts.slice(0, 3)) attempt.release(undefined)
    expect(await Promise.race([next.then(() => 'given'), Promise.resolve('waits')])).toBe('waits')
    attempts[3]?.release(undefined)
    expect((await next)?.count).toBe(4)
  })

  it('takes back what a claim did not use', async () => {
    const slots = createSlots(new FakeClock())
    const taken = await slots.take(live('a'))
    taken?.use(1, 0)
    expect((await slots.take(live('a')))?.count).toBe(3)
  })

  it('takes a slot back once', async () => {
    const slots = createSlots(new FakeClock())
    const [attempt] = await fill(slots, live('a'))
    for (let n = 0; n < 4; n++) attempt?.release(undefined)
    expect((await takeNow(slots, live('a')))?.count).toBe(1)
  })
})

describe('replays of a webhook', () => {
  it('have half of its window while its live lane has work', async () => {
    const slots = createSlots(new FakeClock())
    const taken = await slots.take(live('a'))
    taken?.use(1, 0)
    expect((await slots.take(replay('a')))?.count).toBe(2)
  })

  it('have all of it when there is nothing else', async () => {
    const slots = createSlots(new FakeClock())
    expect((await slots.take(replay('a')))?.count).toBe(4)
  })

  it('get a slot when the window is one', async () => {
    const slots = createSlots(new FakeClock())
    await learn(slots, 'a', 'failed', 3)
    const [attempt] = await fill(slots, live('a'))
    const next = slots.take(replay('a'))
    attempt?.release('failed')
    expect((await next)?.count).toBe(1)
  })
})

describe('all webhooks together', () => {
  /** Fills slots until nobody gets any, with webhooks of which nothing is known. */
  async function fillShared(slots: Slots): Promise<AttemptSlot[]> {
    const attempts: AttemptSlot[] = []
    for (let n = 0; n < 96; n++) attempts.push(...(await fill(slots, live(`w${n}`))))
    expect(attempts).toHaveLength(384)
    return attempts
  }

  it('leave a quarter to those that succeed: four to each', async () => {
    const slots = createSlots(new FakeClock())
    await learn(slots, 'good', 'succeeded', 30)
    await learn(slots, 'bad', 'failed', 1)
    await fillShared(slots)
    expect(await takeNow(slots, live('bad'))).toBeUndefined()
    expect((await takeNow(slots, live('good')))?.count).toBe(4)
    expect((await takeNow(slots, live('new')))?.count).toBe(1)
  })

  it('leave none of it to one that has been slow', async () => {
    const clock = new FakeClock()
    const slots = createSlots(clock)
    await learn(slots, 'slow', 'succeeded', 30)
    const taken = await slots.take(live('slow'))
    taken?.use(1, 0)
    clock.advance({ seconds: 2 })
    for (let n = 0; n < 95; n++) await fill(slots, live(`w${n}`))
    await fill(slots, live('last'))
    expect(await takeNow(slots, live('slow'))).toBeUndefined()
  })

  it('have 512 at the most', async () => {
    const slots = createSlots(new FakeClock())
    await fillShared(slots)
    let more = 0
    for (let n = 0; n < 200; n++) more += (await fill(slots, live(`more${n}`))).length
    expect(more).toBe(128)
  })

  it('are served in the order in which they came', async () => {
    const slots = createSlots(new FakeClock())
    await learn(slots, 'first', 'failed', 2)
    await learn(slots, 'second', 'failed', 2)
    const attempts = await fillShared(slots)
    const order: string[] = []
    for (const name of ['first', 'second']) void slots.take(live(name)).then(() => order.push(name))
    attempts[0]?.release(undefined)
    await new Promise((resolve) => setImmediate(resolve))
    expect(order).toEqual(['first'])
    attempts[1]?.release(undefined)
    await new Promise((resolve) => setImmediate(resolve))
    expect(order).toEqual(['first', 'second'])
  })

  it('have bodies of 64 MB under way at the most', async () => {
    const slots = createSlots(new FakeClock())
    const attempts: AttemptSlot[] = []
    for (let n = 0; n < 16; n++) {
      const taken = await slots.take(live(`w${n}`))
      attempts.push(...(taken?.use(1, 4 * 1024 * 1024) ?? []))
    }
    const next = slots.take(live('next'))
    expect(await Promise.race([next, Promise.resolve('waits')])).toBe('waits')
    attempts[0]?.release('succeeded')
    expect((await next)?.count).toBe(4)
  })
})

describe('a rest', () => {
  it('ends at its time', () => {
    const clock = new FakeClock()
    const slots = createSlots(clock)
    const untilUs = clock.nowUs() + 30_000_000
    slots.rest('a', untilUs)
    expect(slots.restsUntilUs('a')).toBe(untilUs)
    clock.advance({ seconds: 30 })
    expect(slots.restsUntilUs('a')).toBeUndefined()
  })

  it('is a minute long at the most, also when the clock is set back', () => {
    const clock = new FakeClock()
    const slots = createSlots(clock)
    slots.rest('a', clock.nowUs() + 3_600_000_000)
    expect(slots.restsUntilUs('a')).toBe(clock.nowUs() + 60_000_000)
    clock.advance({ hours: -1 })
    expect(slots.restsUntilUs('a')).toBeUndefined()
  })
})

it('a stop ends what waits', async () => {
  const slots = createSlots(new FakeClock())
  await fill(slots, live('a'))
  const waiting = slots.take(live('a'))
  slots.stop()
  expect(await waiting).toBeUndefined()
  expect(await slots.take(live('b'))).toBeUndefined()
})

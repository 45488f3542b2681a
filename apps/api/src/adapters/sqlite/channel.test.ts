import { expect, it, onTestFinished } from 'vitest'
import { StoreUnavailableError } from '../../ports.ts'
import { Channel } from './channel.ts'

interface CountCalls {
  count: { input: { n: number }; output: { batch: number; size: number } }
}

const TIMES = { nowUs: 0, eventsExpiredUs: 0, keysExpiredUs: 0 }

async function openChannel(): Promise<Channel<CountCalls>> {
  const channel = await Channel.open<CountCalls>(new URL('../../testing/counting-thread.ts', import.meta.url), { path: '' }, () => TIMES)
  return channel
}

it('lets calls that come at once share batches, and so commits', async () => {
  const channel = await openChannel()
  onTestFinished(() => channel.close())
  const answers = await Promise.all(Array.from({ length: 1000 }, (_, n) => channel.call('count', { n }, 100)))
  const batches = new Set(answers.map((answer) => answer.batch)).size
  expect(batches).toBeLessThan(50)
  expect(Math.max(...answers.map((answer) => answer.size))).toBeLessThanOrEqual(256)
  expect(answers.map((answer) => answer.batch)).toEqual(answers.map((answer) => answer.batch).sort((a, b) => a - b))
})

it('does not let a lone call wait for company', async () => {
  const channel = await openChannel()
  onTestFinished(() => channel.close())
  expect(await channel.call('count', { n: 1 }, 100)).toEqual({ batch: 1, size: 1 })
})

it('bounds the bytes of a batch and of what waits', async () => {
  const channel = await openChannel()
  onTestFinished(() => channel.close())
  const mebibyte = 1024 * 1024
  const answers = await Promise.allSettled(Array.from({ length: 100 }, (_, n) => channel.call('count', { n }, 3 * mebibyte)))
  const done = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []))
  expect(Math.max(...done.map((answer) => answer.size))).toBe(2)
  expect(refused.length).toBeGreaterThan(0)
  for (const reason of refused) expect(reason).toBeInstanceOf(StoreUnavailableError)
  expect(done.length + refused.length).toBe(100)
})

it('answers what was asked before it closes, and refuses what comes after', async () => {
  const channel = await openChannel()
  const asked = Promise.all(Array.from({ length: 300 }, (_, n) => channel.call('count', { n }, 100)))
  await channel.close()
  expect(await asked).toHaveLength(300)
  await expect(channel.call('count', { n: 1 }, 100)).rejects.toBeInstanceOf(StoreUnavailableError)
})

import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { mapAtOnce } from './at-once.ts'

it('runs so many at once and no more, and gives the results in order', async () => {
  let running = 0
  let most = 0
  const results = await mapAtOnce([5, 1, 4, 2, 3, 0, 6], 3, async (ms) => {
    most = Math.max(most, ++running)
    await sleep(ms)
    running--
    return ms * 2
  })
  expect(results).toEqual([10, 2, 8, 4, 6, 0, 12])
  expect(most).toBe(3)
})

it('begins nothing for nothing', async () => {
  expect(await mapAtOnce([], 3, () => Promise.reject(new Error('called')))).toEqual([])
})

it('tells of a failure, and begins no other', async () => {
  const begun: number[] = []
  const running = mapAtOnce([1, 2, 3, 4, 5], 2, async (n) => {
    begun.push(n)
    await sleep(5)
    if (n === 2) throw new Error('no')
  })
  await expect(running).rejects.toThrow('no')
  await sleep(50)
  expect(begun.filter((n) => n > 3)).toEqual([])
})

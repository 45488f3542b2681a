import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createOutboxWatch } from './outbox-watch.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A watch with somebody who watches, and when that one was told. */
function watched() {
  const watch = createOutboxWatch()
  const toldMs: number[] = []
  const startMs = performance.now()
  const end = watch.watchOutbox(() => void toldMs.push(performance.now() - startMs))
  return { watch, toldMs, end }
}

it('tells at once, and again when the outbox shows what was committed', () => {
  const { watch, toldMs } = watched()
  watch.committed(1000)
  expect(toldMs).toEqual([0])
  vi.advanceTimersByTime(999)
  expect(toldMs).toHaveLength(1)
  vi.advanceTimersByTime(51)
  expect(toldMs).toHaveLength(2)
  vi.advanceTimersByTime(60_000)
  expect(toldMs).toHaveLength(2)
})

it('tells of many commits together, 50 ms apart, and of none before it can be seen', () => {
  const { watch, toldMs } = watched()
  for (let n = 0; n < 200; n++) {
    watch.committed(1000)
    vi.advanceTimersByTime(1)
  }
  expect(toldMs).toHaveLength(200)
  vi.advanceTimersByTime(2000)
  const later = toldMs.slice(200)
  expect(later.length).toBeGreaterThanOrEqual(4)
  expect(later.length).toBeLessThanOrEqual(5)
  expect(later.at(-1)).toBeGreaterThanOrEqual(1199)
})

it('tells nobody who does not watch any more', () => {
  const { watch, toldMs, end } = watched()
  watch.committed(10)
  end()
  vi.advanceTimersByTime(1000)
  watch.committed(10)
  expect(toldMs).toEqual([0])
})

it('leaves no timer behind when it is closed', () => {
  const { watch, toldMs } = watched()
  watch.committed(10)
  expect(vi.getTimerCount()).toBe(1)
  watch.close()
  expect(vi.getTimerCount()).toBe(0)
  vi.advanceTimersByTime(1000)
  expect(toldMs).toEqual([0])
})

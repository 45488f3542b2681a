/** The times that the TypeScript client allows unless told: nobody waits for them here, so the clock is not the real one. */
import { TimeoutError, Triggers } from '@triggers/client'
import { expect, it, vi } from 'vitest'
import { startScriptedServer } from './scripted-server.ts'

it.each([
  ['a try 30 s', {}, 'try', 30_000],
  ['a call 120 s', { timeoutMs: 1_000_000 }, 'total', 120_000],
] as const)('gives %s by default', async (_, options, scope, timeoutMs) => {
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
  const server = await startScriptedServer(() => {
    arrive()
    return 'silence'
  })
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  try {
    const triggers = new Triggers({ apiKey: 'trg_defaults', baseUrl: server.url, maxRetries: 0, ...options })
    const failure = triggers.health().catch((error: unknown) => error)
    await arrived
    let isOver = false
    void failure.finally(() => {
      isOver = true
    })
    await vi.advanceTimersByTimeAsync(timeoutMs - 1)
    expect(isOver).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    const error = await failure
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error).toMatchObject({ scope, timeoutMs })
  } finally {
    vi.useRealTimers()
    await server.close()
  }
})

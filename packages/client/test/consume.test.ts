/** Consuming, against the real server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AuthenticationError, type Event, Triggers, ValidationError } from '../src/index.ts'
import { startServer, type TestServer } from './server.ts'

let server: TestServer
let triggers: Triggers

beforeAll(async () => {
  server = await startServer()
  triggers = new Triggers({ apiKey: server.apiKey, baseUrl: server.url })
})
afterAll(() => server.stop())

const FAST = { pollIntervalMs: 50, retryDelayMs: 10, maxRetryDelayMs: 40, onError: () => {} }

async function create(source: string, count: number): Promise<string[]> {
  const events = Array.from({ length: count }, (_, number) => ({ source, event_type: 'a', payload: { number } }))
  return (await triggers.events.createMany(events)).flatMap((result) => (result.ok ? [result.value.event_id] : []))
}

async function pendingOf(source: string): Promise<string[]> {
  const ids = []
  for await (const event of triggers.inbox.list({ source, limit: 100 })) ids.push(event.event_id)
  return ids
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 1))

describe('consuming', () => {
  it('handles 500 events, eight at once, though the handler fails at times: each succeeds once, and none runs twice at once', async () => {
    const ids = await create('many', 500)
    const stop = new AbortController()
    const running = new Set<string>()
    const starts = new Map<string, number>()
    const succeeded: string[] = []
    const twiceAtOnce: string[] = []
    let most = 0
    const failsAt = (id: string) => Number.parseInt(id.slice(-2), 16) % 5
    const handler = async ({ event_id: id }: Event) => {
      if (running.has(id)) twiceAtOnce.push(id)
      running.add(id)
      most = Math.max(most, running.size)
      const times = (starts.get(id) ?? 0) + 1
      starts.set(id, times)
      await soon()
      running.delete(id)
      // A fifth of the events fails twice, another once.
      if (times <= failsAt(id) - 2) throw new Error('not now')
      succeeded.push(id)
      if (succeeded.length === ids.length) stop.abort()
    }
    await triggers.inbox.consume(handler, { ...FAST, source: 'many', concurrency: 8, signal: stop.signal })
    expect(succeeded.toSorted()).toEqual(ids.toSorted())
    expect([twiceAtOnce, most]).toEqual([[], 8])
    for (const id of ids) expect(starts.get(id)).toBe(1 + Math.max(0, failsAt(id) - 2))
    expect(await pendingOf('many')).toEqual([])
  })

  it('keeps the order of the inbox, one at a time', async () => {
    await create('ordered', 60)
    const stop = new AbortController()
    const numbers: unknown[] = []
    await triggers.inbox.consume<{ number: number }>(
      ({ payload }) => {
        numbers.push(payload.number)
        if (numbers.length === 60) stop.abort()
      },
      { ...FAST, source: 'ordered', signal: stop.signal },
    )
    expect(numbers).toEqual([...Array(60).keys()])
    expect(await pendingOf('ordered')).toEqual([])
  })

  it('goes on with events that are created meanwhile, and leaves those alone that do not match', async () => {
    const others = await create('other', 3)
    const stop = new AbortController()
    const seen: string[] = []
    const consuming = triggers.inbox.consume(
      ({ event_id }) => {
        seen.push(event_id)
        if (seen.length === 40) stop.abort()
      },
      { ...FAST, source: 'meanwhile', concurrency: 4, signal: stop.signal },
    )
    const created: string[] = []
    for (let round = 0; round < 4; round++) created.push(...(await create('meanwhile', 10)))
    await consuming
    expect(seen.toSorted()).toEqual(created.toSorted())
    expect(await pendingOf('other')).toEqual(others)
  })

  it('stops gracefully: running handlers finish and are acknowledged, no further one starts, then it resolves', async () => {
    const ids = await create('stopped', 40)
    const stop = new AbortController()
    const started: string[] = []
    const finished: string[] = []
    await triggers.inbox.consume(
      async ({ event_id }, { signal }) => {
        started.push(event_id)
        if (started.length === 5) setTimeout(() => stop.abort(), 5)
        if (started.length > 2) await new Promise((resolve) => signal.addEventListener('abort', resolve))
        await soon()
        finished.push(event_id)
      },
      { ...FAST, source: 'stopped', concurrency: 3, signal: stop.signal },
    )
    expect([started.length, finished.length]).toEqual([5, 5])
    expect((await pendingOf('stopped')).toSorted()).toEqual(ids.filter((id) => !finished.includes(id)).toSorted())
  })

  it('never runs an event in two consumers of one client', async () => {
    const ids = await create('shared', 100)
    const stop = new AbortController()
    const seen: string[] = []
    const handler = async ({ event_id }: Event) => {
      seen.push(event_id)
      await soon()
      if (seen.length >= 100) stop.abort()
    }
    const options = { ...FAST, source: 'shared', concurrency: 4, signal: stop.signal }
    await Promise.all([triggers.inbox.consume(handler, options), triggers.inbox.consume(handler, options)])
    expect(seen.toSorted()).toEqual(ids.toSorted())
    expect(await pendingOf('shared')).toEqual([])
  })

  it('counts an event as done that the handler acknowledged or deleted itself', async () => {
    await create('own', 4)
    const stop = new AbortController()
    const errors: unknown[] = []
    let count = 0
    await triggers.inbox.consume(
      async ({ event_id }) => {
        count++
        if (count % 2 === 0) await triggers.inbox.ack(event_id)
        else await triggers.events.delete(event_id)
        if (count === 4) stop.abort()
      },
      { ...FAST, source: 'own', signal: stop.signal, onError: (error) => errors.push(error) },
    )
    expect([count, errors]).toEqual([4, []])
    expect(await pendingOf('own')).toEqual([])
  })

  it('rejects when the key is refused', async () => {
    const stranger = new Triggers({ apiKey: 'unknown-key-0123456789', baseUrl: server.url })
    await expect(stranger.inbox.consume(() => {}, FAST)).rejects.toThrow(AuthenticationError)
  })

  it('rejects when the filters are refused', async () => {
    await expect(triggers.inbox.consume(() => {}, { ...FAST, created_after: 'yesterday' })).rejects.toThrow(ValidationError)
  })

  it('gives the handler the typed payload', async () => {
    await create('typed', 1)
    const stop = new AbortController()
    const numbers: number[] = []
    await triggers.inbox.consume<{ number: number }>(
      (event) => {
        numbers.push(event.payload.number)
        stop.abort()
      },
      { ...FAST, source: 'typed', signal: stop.signal },
    )
    expect(numbers).toEqual([0])
  })
})

/**
 * The real server behind a proxy that loses a fifth of its answers: what was asked for has happened, and has happened once. The
 * proxy's faults are of a fixed seed; which request meets which is up to the order in which they come.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createProcesses, type Running } from '../load/processes.ts'
import { API_KEY } from '../load/samples.ts'
import type { Call, Driver, EventToCreate, Job, Outcome } from './driver.ts'
import { type Exchange, type Fault, type FaultPlan, type FaultyProxy, LOST, startFaultyProxy } from './faulty-proxy.ts'
import { describeClients } from './languages.ts'

const COUNT = 2000

/** A fifth of all answers lost, one way or another, and what else networks do. */
const PLAN: FaultPlan = {
  seed: 20,
  shares: { 'lost-answer': 0.09, 'half-answer': 0.06, 'reset-after': 0.05, silence: 0.01, 'reset-before': 0.02, slow: 0.01 },
  storms: { every: 2500, length: 40, retryAfterSeconds: 1 },
}

/** For what comes after the creates: long chains of failures, each with its longer wait, would only take time. */
const MILDER: FaultPlan = {
  seed: 10,
  shares: { 'lost-answer': 0.05, 'half-answer': 0.03, 'reset-after': 0.02, 'reset-before': 0.01 },
  storms: { every: 2500, length: 40, retryAfterSeconds: 1 },
}

/** Enough retries that luck has no part in it: 0.25 to the 16th. Silence is ended by the time that a try has. */
const CLIENT = { apiKey: API_KEY, maxRetries: 15, timeoutMs: 2000 }

const processes = createProcesses()
let folder: string
let server: Running

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'triggers-loss-'))
  server = await processes.startServer(folder)
})

afterAll(async () => {
  await processes.stopAll()
  rmSync(folder, { recursive: true, force: true })
})

async function throughProxy<T>(plan: FaultPlan, use: (proxy: FaultyProxy) => Promise<T>): Promise<T> {
  const proxy = await startFaultyProxy(server.port, plan)
  try {
    return await use(proxy)
  } finally {
    await proxy.close()
  }
}

interface Stored {
  event_id: string
  status: string
  payload: { number: number }
}

/** What the server has of a source, read without the proxy and without the clients. */
async function stored(source: string): Promise<Stored[]> {
  const events: Stored[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query = new URLSearchParams({ source, limit: '100', ...(cursor !== '' && { cursor }) })
    const response = await fetch(`http://127.0.0.1:${server.port}/v1/events?${query}`, { headers: { 'X-API-Key': API_KEY } })
    // The contract's form of a list.
    const page = (await response.json()) as { events: Stored[]; pagination: { next_cursor: string | null } }
    events.push(...page.events)
    cursor = page.pagination.next_cursor
  }
  return events
}

function eventsOf(source: string, count: number): EventToCreate[] {
  return Array.from({ length: count }, (_, number) => ({ source, event_type: 'loss.tested', payload: { number } }))
}

/** Runs the calls and waits until the server has answered all of them, also what nobody waits for. */
async function run(driver: Driver, proxy: FaultyProxy, job: Pick<Job, 'calls' | 'concurrency'>): Promise<Outcome[]> {
  const { outcomes } = await driver.run({ client: { ...CLIENT, baseUrl: proxy.url }, ...job })
  await proxy.settled()
  return outcomes
}

function valuesOf(outcomes: readonly Outcome[]): { event_id: string }[] {
  expect(outcomes.filter(({ error }) => error !== undefined)).toEqual([])
  // Every call here answers with an event's id.
  return outcomes.map(({ value }) => value as { event_id: string })
}

/** A bulk call's outcome is one for each item. */
function itemsOf(outcomes: readonly Outcome[]): Outcome[] {
  expect(outcomes).toMatchObject([{ value: expect.any(Array) }])
  return outcomes[0]?.value as Outcome[]
}

function expectExactly(events: readonly Stored[], ids: readonly string[], status: string): void {
  expect(events).toHaveLength(ids.length)
  expect(new Set(events.map(({ event_id }) => event_id))).toEqual(new Set(ids))
  expect(new Set(events.map((event) => event.status))).toEqual(new Set([status]))
}

/** That the proxy did what the test is about. @param least how much of all answers were lost, the storms' aside */
function expectLosses(proxy: FaultyProxy, least: number, faults: readonly Fault[]): void {
  for (const fault of faults) expect(proxy.count(fault), fault).toBeGreaterThan(0)
  const lost = proxy.exchanges.filter(({ fault }) => fault !== undefined && LOST.includes(fault)).length
  expect(lost / (proxy.exchanges.length - proxy.count('storm'))).toBeGreaterThan(least)
}

const done = ({ status = 0 }: Exchange) => status >= 200 && status < 300

describeClients('with a fifth of the answers lost', (driver) => {
  it('2,000 single creates, 32 at once, end as exactly 2,000 events, which are acknowledged and deleted once each', async () => {
    const source = `single-${driver.language}`
    const ids = await throughProxy(PLAN, async (proxy) => {
      const calls = eventsOf(source, COUNT).map((event): Call => ({ name: 'create', event }))
      const ids = valuesOf(await run(driver, proxy, { calls, concurrency: 32 })).map(({ event_id }) => event_id)
      const created = await stored(source)
      expectExactly(created, ids, 'pending')
      // Each create was answered to its own caller.
      const numbers = new Map(created.map(({ event_id, payload }) => [event_id, payload.number]))
      expect(ids.map((id) => numbers.get(id))).toEqual(calls.map((_, number) => number))
      // Without idempotency keys it would have been that many.
      expect(proxy.exchanges.filter(done).length).toBeGreaterThan(COUNT * 1.1)
      expectLosses(proxy, 0.2, ['lost-answer', 'half-answer', 'reset-after', 'silence', 'reset-before', 'slow', 'storm'])
      return ids
    })
    await throughProxy(MILDER, async (proxy) => {
      valuesOf(await run(driver, proxy, { calls: ids.map((id): Call => ({ name: 'finish', id })), concurrency: 100 }))
      const acknowledged = proxy.exchanges.filter((exchange) => exchange.target.endsWith('/ack') && done(exchange))
      expect(acknowledged.map(({ target }) => target).toSorted()).toEqual(ids.map((id) => `/v1/events/${id}/ack`).toSorted())
      expect(await stored(source)).toEqual([])
      expectLosses(proxy, 0.08, ['lost-answer', 'half-answer', 'reset-after', 'reset-before', 'storm'])
    })
  })

  it('2,000 creates in bulk end as exactly 2,000 events, in their order, which are acknowledged and deleted in bulk', async () => {
    const source = `bulk-${driver.language}`
    const ids = await throughProxy({ ...PLAN, storms: { every: 60, length: 8, retryAfterSeconds: 1 } }, async (proxy) => {
      const create: Call = { name: 'createMany', events: eventsOf(source, COUNT), concurrency: 16 }
      const ids = valuesOf(itemsOf(await run(driver, proxy, { calls: [create] }))).map(({ event_id }) => event_id)
      const created = await stored(source)
      expectExactly(created, ids, 'pending')
      const numbers = new Map(created.map(({ event_id, payload }) => [event_id, payload.number]))
      expect(ids.map((id) => numbers.get(id))).toEqual(create.events.map((_, number) => number))
      expectLosses(proxy, 0.2, ['lost-answer', 'half-answer', 'reset-after', 'reset-before', 'storm'])
      return ids
    })
    await throughProxy({ ...MILDER, storms: { every: 60, length: 8, retryAfterSeconds: 1 } }, async (proxy) => {
      const acks = itemsOf(await run(driver, proxy, { calls: [{ name: 'ackMany', ids, concurrency: 16 }] }))
      expect(valuesOf(acks).map(({ event_id }) => event_id)).toEqual(ids)
      expectExactly(await stored(source), ids, 'acknowledged')

      const deletes = itemsOf(await run(driver, proxy, { calls: [{ name: 'deleteMany', ids, concurrency: 16 }] }))
      expect(valuesOf(deletes).map(({ event_id }) => event_id)).toEqual(ids)
      expect(await stored(source)).toEqual([])
      expectLosses(proxy, 0.08, ['lost-answer', 'half-answer', 'reset-after', 'storm'])
    })
  })

  it('counts a conflict as success only where an earlier try of that ack may have reached the server', async () => {
    const source = `conflict-${driver.language}`
    const events = eventsOf(source, 300).map((event): Call => ({ name: 'create', event }))
    const ids = await throughProxy({ seed: 1 }, async (proxy) => {
      const ids = valuesOf(await run(driver, proxy, { calls: events, concurrency: 32 })).map(({ event_id }) => event_id)
      valuesOf(await run(driver, proxy, { calls: ids.map((id): Call => ({ name: 'ack', id })), concurrency: 32 }))
      return ids
    })
    // Every one of them is a conflict now, but that some callers cannot know whether they made it themselves.
    const plan: FaultPlan = {
      seed: 9,
      shares: { 'lost-answer': 0.2, 'reset-before': 0.05 },
      storms: { every: 150, length: 30, retryAfterSeconds: 1 },
    }
    await throughProxy(plan, async (proxy) => {
      const outcomes = await run(driver, proxy, { calls: ids.map((id): Call => ({ name: 'ack', id })), concurrency: 32 })
      const expected = ids.map((id) => {
        const faults = proxy.exchanges.filter(({ target }) => target.includes(id)).map(({ fault }) => fault)
        return faults.includes('lost-answer') || faults.includes('reset-before') ? 'success' : 'CONFLICT'
      })
      expect(outcomes.map(({ error }) => error?.code ?? 'success')).toEqual(expected)
      expect(new Set(expected)).toEqual(new Set(['success', 'CONFLICT']))
      // A storm alone does not make a success of it.
      const stormy = ids.filter((id, at) => {
        const met = proxy.exchanges.some(({ target, fault }) => target.includes(id) && fault === 'storm')
        return met && expected[at] === 'CONFLICT'
      })
      expect(stormy.length).toBeGreaterThan(0)
    })
  })
})

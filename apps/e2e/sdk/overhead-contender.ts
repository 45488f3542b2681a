/** One way to make calls, in a process of its own: `node overhead-contender.ts <way>`. Measures the slices that it is told to. */
import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { createInterface } from 'node:readline'
import { Triggers } from '@triggers/client'
import axios, { type CreateAxiosDefaults } from 'axios'
import { Pool } from 'undici'
import { API_KEY } from '../load/samples.ts'
import { CONCURRENCY, EVENT, type Slice, type SliceReply } from './overhead-slice.ts'

type Calls = Record<Slice['call'], () => Promise<unknown>>

const WAYS: Record<string, (url: string) => Calls> = {
  client: (baseUrl) => {
    const triggers = new Triggers({ apiKey: API_KEY, baseUrl })
    return { health: () => triggers.health(), create: () => triggers.events.create(EVENT) }
  },
  // Set as the client sets it.
  axios: (baseURL) => byAxios({ baseURL, httpAgent: new Agent({ keepAlive: true }), maxRedirects: 0, timeout: 30_000 }),
  'axios as it comes': (baseURL) => byAxios({ baseURL }),
  undici: (url) => {
    const pool = new Pool(url, { connections: CONCURRENCY })
    const headers = { 'X-API-Key': API_KEY, 'Content-Type': 'application/json' }
    const json = async ({ statusCode, body }: Awaited<ReturnType<Pool['request']>>) => {
      const data = await body.json()
      if (statusCode >= 300) throw new Error(`${statusCode} ${JSON.stringify(data)}`)
      return data
    }
    return {
      health: async () => json(await pool.request({ method: 'GET', path: '/v1/health', headers })),
      create: async () => json(await pool.request({ method: 'POST', path: '/v1/events', headers, body: JSON.stringify(withKey()) })),
    }
  },
}

function byAxios(settings: CreateAxiosDefaults): Calls {
  const http = axios.create({ ...settings, headers: { 'X-API-Key': API_KEY } })
  return {
    health: async () => (await http.get('/v1/health')).data,
    create: async () => (await http.post('/v1/events', withKey())).data,
  }
}

function withKey() {
  return { ...EVENT, metadata: { ...EVENT.metadata, idempotency_key: randomUUID() } }
}

const way = WAYS[process.argv[2] ?? '']
if (way === undefined) throw new Error(`Say which: ${Object.keys(WAYS).join(', ')}.`)
const callsOf = new Map<string, Calls>()

async function measure({ url, call, ms }: Slice): Promise<SliceReply> {
  const calls = callsOf.get(url) ?? way?.(url)
  if (calls === undefined) throw new Error('There is no such way.')
  callsOf.set(url, calls)
  const cpu = process.cpuUsage()
  const beginMs = performance.now()
  let requests = 0
  const callOn = async () => {
    while (performance.now() - beginMs < ms) {
      await calls[call]()
      requests++
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, callOn))
  const seconds = (performance.now() - beginMs) / 1000
  const used = process.cpuUsage(cpu)
  return { requests, seconds, cpuSeconds: (used.user + used.system) / 1e6 }
}

for await (const line of createInterface({ input: process.stdin })) {
  // The bench writes these lines, and nobody else.
  const reply = await measure(JSON.parse(line) as Slice).catch((error): SliceReply => ({ failure: String(error) }))
  process.stdout.write(`${JSON.stringify(reply)}\n`)
}
process.exit(0)

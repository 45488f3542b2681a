/** The load generator, a process of its own: takes plans one after the other, answers each with what it measured. */
import { createHmac, hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Connection, type Outcome, openConnection } from './connection.ts'
import { DRAIN_MS, type LoadPlan, type LoadReply, type LoadResult } from './load.ts'
import { type Meter, startMeter } from './meter.ts'
import { API_KEY, type Target } from './samples.ts'

function bytesOf({ method, path, body = '' }: Target, { port, apiKey = API_KEY, signingSecret }: LoadPlan): Buffer {
  const headers = [
    `Host: 127.0.0.1:${port}`,
    `X-API-Key: ${apiKey}`,
    ...(signingSecret === undefined ? [] : signatureHeaders(method, path, body, signingSecret)),
    ...(method === 'POST' ? ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`] : []),
  ]
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n${body}`)
}

/** As docs/SECURITY.md describes it. */
function signatureHeaders(method: string, target: string, body: string, secret: string): string[] {
  const [path = '', query = ''] = target.split('?')
  const timestamp = String(Math.floor(Date.now() / 1000))
  const text = [method, path, query, timestamp, hash('sha256', body)].join('\n')
  const signature = createHmac('sha256', secret).update(text).digest('base64')
  return ['X-Signature-Version: v1', `X-Signature-Timestamp: ${timestamp}`, `X-Signature: ${signature}`]
}

async function run(plan: LoadPlan): Promise<LoadResult> {
  const requests = plan.targets.map((target) => bytesOf(target, plan))
  const connections: Connection[] = []
  for (let i = 0; i < plan.connections; i++) connections.push(await openConnection(plan.port))
  const meter = startMeter(plan)
  let next = 0
  const takeRequest = () => (next === plan.maxSent ? undefined : requests[next++ % requests.length])
  // What is under way then fails, and the load comes to its end.
  const stalled = setTimeout(() => connections.forEach(({ destroy }) => void destroy()), plan.warmUpMs + plan.durationMs + DRAIN_MS)
  try {
    if (plan.ratePerSecond === undefined) await runClosed(plan, connections, takeRequest, meter)
    else await runOpen(plan, plan.ratePerSecond, connections, takeRequest, meter)
  } finally {
    clearTimeout(stalled)
    for (const connection of connections) connection.destroy()
  }
  return meter.result()
}

/** Each connection sends its next request when the last one is answered. */
async function runClosed(plan: LoadPlan, connections: Connection[], takeRequest: () => Buffer | undefined, meter: Meter): Promise<void> {
  const runs = connections.map(
    (connection) =>
      new Promise<void>((resolve) => {
        let sentMs = 0
        const send = () => {
          const request = meter.over ? undefined : takeRequest()
          if (request === undefined) return resolve()
          sentMs = performance.now()
          connection.request(request, settle)
        }
        const settle = (outcome: Outcome) => {
          if (judge(plan, outcome, sentMs, meter)) send()
          else resolve()
        }
        send()
      }),
  )
  await Promise.all(runs)
}

/** Requests are due at even intervals; one that finds no free connection waits for one, and its latency with it. */
async function runOpen(
  plan: LoadPlan,
  ratePerSecond: number,
  connections: Connection[],
  takeRequest: () => Buffer | undefined,
  meter: Meter,
): Promise<void> {
  const idle = [...connections]
  const waiting: number[] = []
  const busy = new Set<Promise<void>>()
  const serve = async (connection: Connection, firstDueMs: number) => {
    for (let dueMs: number | undefined = firstDueMs; dueMs !== undefined; dueMs = waiting.shift()) {
      const request = takeRequest()
      if (request === undefined) return
      meter.recordLateness(dueMs, performance.now())
      const outcome = await new Promise<Outcome>((resolve) => connection.request(request, resolve))
      if (!judge(plan, outcome, dueMs, meter)) return
    }
    idle.push(connection)
  }
  const beginMs = performance.now()
  for (let sent = 0; !meter.over; ) {
    const due = ((performance.now() - beginMs) / 1000) * ratePerSecond
    for (; sent < due; sent++) {
      const dueMs = beginMs + (sent / ratePerSecond) * 1000
      const connection = idle.pop()
      if (connection === undefined) {
        waiting.push(dueMs)
        continue
      }
      const served = serve(connection, dueMs)
      busy.add(served)
      void served.finally(() => busy.delete(served))
    }
    await sleep(1)
  }
  // Those that still wait for a connection leave, and count, however late.
  await Promise.all(busy)
  if (waiting.length > 0) meter.fail(`${waiting.length} requests were due and never left: the server does not follow the rate.`)
}

/** Counts what became of a request. @returns whether the connection can go on */
function judge(plan: LoadPlan, outcome: Outcome, dueMs: number, meter: Meter): boolean {
  if (outcome instanceof Error) {
    meter.fail(outcome.message)
    return false
  }
  const { status, body } = outcome
  if (status === plan.status && (plan.contains === undefined || body.includes(plan.contains))) meter.record(dueMs, performance.now())
  else meter.fail(`status ${status}: ${body.toString('utf8', 0, 300)}`)
  return true
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const reply = (message: LoadReply) => process.send?.(message)
process.on('message', (plan: LoadPlan) => {
  run(plan).then(
    (result) => reply({ result }),
    (error: unknown) => reply({ failure: messageOf(error) }),
  )
})
process.on('disconnect', () => process.exit(0))

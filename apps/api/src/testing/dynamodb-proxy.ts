/** In front of a DynamoDB: counts what it is asked and what that costs, and lets requests fail as a test wants them to. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { Pool } from 'undici'
import { createDynamodbCounter, type DynamodbCounts } from './dynamodb-counts.ts'
import type { DynamodbAnswer, DynamodbCall, Fault } from './dynamodb-faults.ts'

export interface FaultRule {
  /** Of which operations, by name; all where absent. */
  operation?: RegExp
  /** The end of the table's name, as far as needed to tell it: `-events`. */
  table?: string
  /** What else must be so. */
  when?: (call: DynamodbCall) => boolean
  /** How often, at most. */
  times?: number
  /** Of those that it fits, so many at random: 0 to 1. */
  probability?: number
  fault: Fault
}

export interface RunningRule {
  /** How often it was applied. */
  hits(): number
  remove(): void
}

export interface DynamodbProxy {
  url: string
  /** Since it was started, or reset. */
  counts(): DynamodbCounts
  reset(): void
  /** From now on; of several that fit the eldest is applied. */
  rule(rule: FaultRule): RunningRule
  /** All of them. */
  removeRules(): void
  /** Refuses connections and breaks those that are there, as a server that is stopped. */
  pause(): Promise<void>
  resume(): Promise<void>
  close(): Promise<void>
}

/** Of one connection or one message: they do not go on. */
const NOT_FORWARDED = new Set(['host', 'connection', 'keep-alive', 'content-length', 'transfer-encoding', 'x-amz-crc32'])
const CONNECTIONS = 512

/**
 * @param targetUrl of the DynamoDB
 * @param options `countsUnits`: whether the answers are asked for what they cost, and read for it
 */
export async function startDynamodbProxy(targetUrl: string, { countsUnits = true } = {}): Promise<DynamodbProxy> {
  const target = new Pool(targetUrl, { connections: CONNECTIONS, headersTimeout: 0, bodyTimeout: 0 })
  const counter = createDynamodbCounter()
  const rules = new Set<{ rule: FaultRule; hits: number }>()

  async function forward(operation: string, request: IncomingMessage, body: Buffer): Promise<DynamodbAnswer> {
    const headers = passedOn(request.headers)
    const sent = countsUnits ? counter.asking(operation, body) : body
    const answer = await target.request({ path: request.url ?? '/', method: 'POST', headers, body: sent })
    const received = Buffer.from(await answer.body.arrayBuffer())
    if (countsUnits) counter.answer(operation, received)
    return { status: answer.statusCode, headers: passedOn(answer.headers), body: received }
  }

  function faultFor(call: DynamodbCall): Fault | undefined {
    for (const running of rules) {
      const { operation, table, when, times = Number.POSITIVE_INFINITY, probability = 1, fault } = running.rule
      if (running.hits >= times || operation?.test(call.operation) === false || (table !== undefined && !names(call.body, table))) continue
      if (when?.(call) === false || Math.random() >= probability) continue
      running.hits++
      return fault
    }
    return undefined
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const operation = String(request.headers['x-amz-target']).replace(/^.*\./, '')
    const body = await buffer(request)
    counter.request(operation)
    const call: DynamodbCall = { operation, body, forward: (changed = body) => forward(operation, request, changed) }
    const answer = await (faultFor(call)?.(call) ?? call.forward())
    if (answer === 'reset') request.socket.destroy()
    else response.writeHead(answer.status, { ...answer.headers, 'content-length': answer.body.length }).end(answer.body)
  }

  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    // Nobody is behind it, or the caller has gone.
    serve(request, response).catch(() => request.socket.destroy())
  })
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject)
        resolve()
      })
    })
  const stop = async () => {
    if (!server.listening) return
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  await listen(0)
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The proxy has no port.')
  const { port } = address
  return {
    url: `http://127.0.0.1:${port}`,
    counts: counter.counts,
    reset: counter.reset,
    rule: (rule) => {
      const running = { rule, hits: 0 }
      rules.add(running)
      return { hits: () => running.hits, remove: () => void rules.delete(running) }
    },
    removeRules: () => rules.clear(),
    pause: stop,
    resume: () => listen(port),
    close: async () => {
      await stop()
      await target.destroy()
    },
  }
}

/** Whether a request is about a table: its name is a JSON text of its own, or a quoted name in a statement that is one. */
function names(body: Buffer, table: string): boolean {
  return body.includes(`${table}"`) || body.includes(`${table}\\"`)
}

function passedOn(headers: Record<string, string | string[] | undefined>): Record<string, string | string[]> {
  const passed: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers)) if (value !== undefined && !NOT_FORWARDED.has(name)) passed[name] = value
  return passed
}

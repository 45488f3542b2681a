/** An HTTP proxy that fails as networks do: by chance, but by the chance that a seed gives, and with a record of what it did. */
import { Agent, createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

/** What can happen to a request; each is the only one that does. */
export const FAULTS = [
  /** The connection is reset, the server never sees the request. */
  'reset-before',
  /** Forwarded, and the connection reset at once: the server may be at work still when the retry comes. */
  'reset-after',
  /** The server has answered; the client sees the connection closed, and not a byte. */
  'lost-answer',
  /** The answer breaks off, anywhere from its first to its last byte but one. */
  'half-answer',
  /** The server has answered; the client hears nothing, on a connection that stays open. */
  'silence',
  /** The answer comes whole, in pieces with pauses between. */
  'slow',
  /** 429 with `Retry-After`; the server never sees the request. Comes in storms. */
  'storm',
] as const

export type Fault = (typeof FAULTS)[number]

/** After these the server has done what was asked, and the client cannot know. */
export const LOST: readonly Fault[] = ['reset-after', 'lost-answer', 'half-answer', 'silence']

export interface FaultPlan {
  seed: number
  /** Of all requests, by fault: 0.2 is a fifth. The rest is passed on as it is. */
  shares?: Partial<Record<Exclude<Fault, 'storm'>, number>>
  /** Begins at each `every`th request, and meets that and the next ones: `length` of them. */
  storms?: { every: number; length: number; retryAfterSeconds: number }
}

/** One request that came, in the order in which they came. */
export interface Exchange {
  method: string
  target: string
  headers: IncomingHttpHeaders
  body: string
  fault: Fault | undefined
  /** What the server answered, whatever reached the client. Undefined while it has not, and where it was not asked. */
  status: number | undefined
}

export interface FaultyProxy {
  url: string
  exchanges: Exchange[]
  count(fault: Fault): number
  /** Resolves when the server has answered all that was forwarded, also what no client waits for. */
  settled(): Promise<void>
  close(): Promise<void>
}

const SLOW_PIECES = 8
const SLOW_PAUSE_MS = 10

/** @param upstream the server's port on 127.0.0.1 */
export async function startFaultyProxy(upstream: number, plan: FaultPlan): Promise<FaultyProxy> {
  const nextFault = faultsOf(plan)
  const exchanges: Exchange[] = []
  const forwarded = new Set<Promise<unknown>>()
  const agent = new Agent({ keepAlive: true })

  const forward = (exchange: Exchange, incoming: IncomingMessage, body: Buffer): Promise<Answer> => {
    const answer = ask(agent, upstream, incoming, body).then((answer) => {
      exchange.status = answer.status
      return answer
    })
    const settled = answer.catch(() => undefined).finally(() => forwarded.delete(settled))
    forwarded.add(settled)
    return answer
  }

  const handle = async (incoming: IncomingMessage, response: ServerResponse) => {
    const { method = '', url: target = '', headers, socket } = incoming
    const body = await buffer(incoming)
    const { fault, at } = nextFault()
    const exchange: Exchange = { method, target, headers, body: body.toString(), fault, status: undefined }
    exchanges.push(exchange)
    switch (fault) {
      case 'reset-before':
        return void socket.resetAndDestroy()
      case 'storm':
        return sendWhole(response, tooManyRequests(plan.storms?.retryAfterSeconds ?? 1))
      case 'reset-after':
        void forward(exchange, incoming, body).catch(() => undefined)
        return void socket.resetAndDestroy()
      case 'lost-answer':
        await forward(exchange, incoming, body)
        return void socket.destroy()
      case 'half-answer':
        return sendPart(socket, await forward(exchange, incoming, body), at)
      case 'silence':
        return void (await forward(exchange, incoming, body))
      case 'slow':
        return sendSlowly(response, await forward(exchange, incoming, body))
      case undefined:
        return sendWhole(response, await forward(exchange, incoming, body))
    }
  }

  const server = createServer((incoming, response) => {
    // The client went away in the middle, or the server did: either way there is nobody to tell but by closing.
    handle(incoming, response).catch(() => incoming.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // listen() on a port gives an AddressInfo; the string is for pipes.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    exchanges,
    count: (fault) => exchanges.filter((exchange) => exchange.fault === fault).length,
    settled: async () => {
      while (forwarded.size > 0) await Promise.all(forwarded)
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      agent.destroy()
      await closed
    },
  }
}

/** @returns the fault of each request in turn, and where in the answer it strikes (0 to 1). The same seed gives the same ones. */
export function faultsOf({ seed, shares = {}, storms }: FaultPlan): () => { fault: Fault | undefined; at: number } {
  const random = seededRandom(seed)
  let count = 0
  return () => {
    // Always two numbers a request, so that a storm shifts nothing.
    let rest = random()
    const at = random()
    count++
    if (storms !== undefined && count >= storms.every && count % storms.every < storms.length) return { fault: 'storm', at }
    const fault = FAULTS.find((fault) => {
      rest -= fault === 'storm' ? 0 : (shares[fault] ?? 0)
      return rest < 0
    })
    return { fault, at }
  }
}

/** Mulberry32: 32 bits of state are plenty to choose faults with. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Answer {
  status: number
  /** Names and values in turns, as they came. */
  headers: string[]
  body: Buffer
}

/** Target, headers and body go on as they came: signatures stay right. */
async function ask(agent: Agent, port: number, { method, url, rawHeaders }: IncomingMessage, body: Buffer): Promise<Answer> {
  const outgoing = request({ agent, host: '127.0.0.1', port, method, path: url, headers: endToEnd(rawHeaders) })
  const answered = new Promise<IncomingMessage>((resolve, reject) => outgoing.once('response', resolve).once('error', reject))
  outgoing.end(body)
  const answer = await answered
  const headers = endToEnd(answer.rawHeaders).filter((_, index, all) => all[index - (index % 2)]?.toLowerCase() !== 'content-length')
  const answerBody = await buffer(answer)
  const status = answer.statusCode ?? 0
  return { status, headers: status === 204 ? headers : [...headers, 'Content-Length', String(answerBody.length)], body: answerBody }
}

const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding']

function endToEnd(headers: readonly string[]): string[] {
  return headers.filter((_, index) => !HOP_BY_HOP.includes(headers[index - (index % 2)]?.toLowerCase() ?? ''))
}

function tooManyRequests(retryAfterSeconds: number): Answer {
  const error = { code: 'RATE_LIMIT_EXCEEDED', message: 'Too many requests.', details: {}, request_id: 'proxy' }
  const body = Buffer.from(JSON.stringify({ error }))
  const headers = ['Content-Type', 'application/json', 'Content-Length', String(body.length), 'Retry-After', String(retryAfterSeconds)]
  return { status: 429, headers, body }
}

function sendWhole(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers).end(body)
}

async function sendSlowly(response: ServerResponse, { status, headers, body }: Answer): Promise<void> {
  response.writeHead(status, headers).flushHeaders()
  const size = Math.max(1, Math.ceil(body.length / SLOW_PIECES))
  for (let begin = 0; begin < body.length; begin += size) {
    await sleep(SLOW_PAUSE_MS)
    response.write(body.subarray(begin, begin + size))
  }
  response.end()
}

/** Below HTTP: the cut can be in the status line, the headers or the body. */
function sendPart(socket: Socket, { status, headers, body }: Answer, at: number): void {
  const lines = [`HTTP/1.1 ${status} .`]
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`)
  const whole = Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body])
  socket.end(whole.subarray(0, 1 + Math.floor(at * (whole.length - 1))))
}

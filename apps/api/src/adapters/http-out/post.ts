import type { Agent, Dispatcher } from 'undici'
import type { SendRequest, SendResult } from '../../webhook-ports.ts'
import { failureOf, SendFailure } from './send-failure.ts'

export interface Sender {
  /** Never rejects, and ends when its time is over. */
  send(target: URL, request: SendRequest): Promise<SendResult>
  /** Ends all that is under way, and all that comes. */
  close(): void
}

/** Of an answer's body: what is kept, and what is read at most, so that the connection can be used again. */
const KEPT_BYTES = 4096
const MAX_BYTES = KEPT_BYTES + 65_536

/**
 * Sends through undici's dispatcher itself: its `request` makes a stream of every answer, of which we want 4 kB. No request is
 * repeated here, not even when a connection that was kept alive turns out to be closed: the receiver may have acted on it.
 */
export function createSender({ agentOf, timeoutMs }: { agentOf: () => Promise<Agent>; timeoutMs: number }): Sender {
  const underWay = new Set<(failure: SendFailure) => void>()
  let isClosed = false

  async function send(target: URL, request: SendRequest): Promise<SendResult> {
    const startedAt = performance.now()
    const { promise: ended, resolve: end } = Promise.withResolvers<unknown>()
    const answer = createAnswer(end)
    const stop = (failure: SendFailure) => {
      end(failure)
      answer.stop(failure)
    }
    const timer = setTimeout(() => stop(lateness(target.host, answer.isUnderWay(), timeoutMs)), timeoutMs)
    underWay.add(stop)
    try {
      if (isClosed) throw stopping()
      const headers = { 'accept-encoding': 'identity', ...request.headers }
      const agent = await agentOf()
      agent.dispatch(
        { origin: target.origin, path: target.pathname + target.search, method: 'POST', headers, body: request.body },
        answer.handler,
      )
    } catch (error) {
      end(error)
    }
    const error = await ended
    clearTimeout(timer)
    underWay.delete(stop)
    const durationMs = Math.round(performance.now() - startedAt)
    // With its status the receiver has decided; what becomes of the body behind it changes nothing.
    const read = answer.read(error === undefined)
    if (read !== undefined) return { outcome: 'answered', ...read, durationMs }
    const failure = failureOf(error, target.host)
    return { outcome: 'failed', error: failure.error, message: failure.message, durationMs }
  }

  return {
    send,
    close() {
      isClosed = true
      for (const stop of underWay) stop(stopping())
    },
  }
}

function stopping(): SendFailure {
  return new SendFailure('connection_failed', 'The server is stopping.')
}

function lateness(host: string, isUnderWay: boolean, timeoutMs: number): SendFailure {
  if (isUnderWay) return new SendFailure('timeout', `${host} did not answer within ${timeoutMs} ms.`)
  return new SendFailure('connect_timeout', `No connection to ${host} came about within ${timeoutMs} ms.`)
}

interface Answer {
  /** What undici calls with its parts. */
  handler: Dispatcher.DispatchHandler
  /** Whether there is a connection, and the request was given to it. */
  isUnderWay(): boolean
  /** What came of it; undefined before the status did. */
  read(isWhole: boolean): { statusCode: number; retryAfter: string | null; body: string; isTruncated: boolean } | undefined
  stop(failure: SendFailure): void
}

/** @param end is called with the error that the answer ended with, or with undefined; the first call counts */
function createAnswer(end: (error: unknown) => void): Answer {
  let statusCode: number | undefined
  let retryAfter: string | null = null
  const kept: Buffer[] = []
  let bytes = 0
  let running: Dispatcher.DispatchController | undefined
  let stopped: SendFailure | undefined

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(controller) {
      // It waited for its connection for too long. To throw leaves the connection to the next one; to abort would close it.
      if (stopped !== undefined) throw stopped
      running = controller
    },
    onResponseStart(_controller, status, headers) {
      if (status < 200) throw new SendFailure('invalid_answer', `The answer began with ${status}, which was not asked for.`)
      statusCode = status
      const given: string | string[] | undefined = headers['retry-after']
      retryAfter = (typeof given === 'object' ? given[0] : given) ?? null
    },
    onResponseData(controller, chunk) {
      if (bytes < KEPT_BYTES) kept.push(chunk)
      bytes += chunk.length
      if (bytes <= MAX_BYTES) return
      const tooLong = new SendFailure('invalid_answer', 'The answer is too long.')
      end(tooLong)
      controller.abort(tooLong)
    },
    onResponseEnd: () => end(undefined),
    onResponseError: (_controller, error) => end(error),
  }

  return {
    handler,
    isUnderWay: () => running !== undefined,
    read(isWhole) {
      if (statusCode === undefined) return undefined
      const isTruncated = !isWhole || bytes > KEPT_BYTES
      // `stream` leaves out a character that is cut in two. SQLite's functions take a NUL for the end of a text.
      const text = new TextDecoder().decode(Buffer.concat(kept).subarray(0, KEPT_BYTES), { stream: isTruncated })
      return { statusCode, retryAfter, body: text.replaceAll('\0', '\uFFFD'), isTruncated }
    },
    stop(failure) {
      stopped = failure
      running?.abort(failure)
    },
  }
}

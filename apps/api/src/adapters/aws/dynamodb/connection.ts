/** The connection to DynamoDB: how long a call may take, when it is tried again, and how it fails. */
import { setTimeout as sleep } from 'node:timers/promises'
import { DynamoDB } from '@aws-sdk/client-dynamodb'
import type { Clock } from '../../../ports.ts'
import { isThrottled } from '../errors.ts'
import { DynamoError, dynamoErrorOf } from './errors.ts'

export interface DynamoOptions {
  /** Undefined: that of AWS in the region. */
  endpointUrl: string | undefined
  /** Undefined: as the SDK finds it. */
  region: string | undefined
  /** Whether requests are signed with made-up credentials, for a server on this machine that asks for none. */
  madeUpCredentials: boolean
  tablePrefix: string
  clock: Clock
  /** Told of each answer: by DynamoDB's clock (whole seconds, in milliseconds), and by ours when it was asked and answered. */
  onAnswer?: ((serverMs: number, askedUs: number, answeredUs: number) => void) | undefined
}

export interface CallOptions {
  /** How long the call may take with all its tries. */
  timeoutMs?: number
  /** Told of each try that may have been carried out though it failed. */
  onUncertain?: () => void
}

export const CALL_MS = 5000
const TRY_MS = 2000
const CONNECT_MS = 1000
const SOCKETS = 256
/** What a call passes on to the SDK. */
interface Ask {
  abortSignal: AbortSignal
}

export function createConnection(options: Omit<DynamoOptions, 'tablePrefix'>) {
  const { endpointUrl, region, clock } = options
  const raw = new DynamoDB({
    ...(endpointUrl !== undefined && { endpoint: endpointUrl }),
    ...(region !== undefined && { region }),
    ...(options.madeUpCredentials && { credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }),
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: TRY_MS,
      throwOnRequestTimeout: true,
      httpAgent: { maxSockets: SOCKETS, keepAlive: true },
      httpsAgent: { maxSockets: SOCKETS, keepAlive: true },
    },
  })
  if (options.onAnswer !== undefined) tellAnswers(raw, clock, options.onAnswer)
  const underWay = new Set<AbortController>()
  let isClosed = false

  /** @param isRepeatable whether doing it twice is as good as once */
  async function call<Output>(
    ask: (options: Ask) => Promise<Output>,
    isRepeatable: boolean,
    { timeoutMs = CALL_MS, onUncertain }: CallOptions = {},
  ): Promise<Output> {
    const endMs = performance.now() + timeoutMs
    for (let tries = 1; ; tries++) {
      if (isClosed) throw new DynamoError('closed', 'DynamoDB: the store is closed.')
      const controller = new AbortController()
      const timer = setTimeout(() => controller.abort(), Math.max(1, endMs - performance.now()))
      underWay.add(controller)
      try {
        return await ask({ abortSignal: controller.signal })
      } catch (error) {
        if (isRefusal(error)) throw error
        const failure = dynamoErrorOf(error)
        if (failure.isUncertain && !isPassing(failure.reason)) onUncertain?.()
        const waitMs = jitter(tries)
        const isAgain = isThrottled(failure.reason) || isPassing(failure.reason) || (failure.isUncertain && isRepeatable)
        if (!isAgain || performance.now() + waitMs >= endMs) throw failure
        await sleep(waitMs)
      } finally {
        clearTimeout(timer)
        underWay.delete(controller)
      }
    }
  }

  return {
    raw,
    call,

    /** Breaks off what is under way. */
    close(): void {
      isClosed = true
      for (const controller of underWay) controller.abort()
      raw.destroy()
    },
  }
}

/** Full jitter: up to 25 ms, doubled by each try, up to half a second. */
export function jitter(tries: number): number {
  return Math.random() * Math.min(500, 25 * 2 ** tries)
}

function tellAnswers(raw: DynamoDB, clock: Clock, onAnswer: NonNullable<DynamoOptions['onAnswer']>): void {
  raw.middlewareStack.add(
    (next) => async (args) => {
      const askedUs = clock.nowUs()
      const result = await next(args)
      const { response } = result
      const headers = typeof response === 'object' && response !== null && 'headers' in response ? response.headers : undefined
      const date = typeof headers === 'object' && headers !== null && 'date' in headers ? Date.parse(String(headers.date)) : Number.NaN
      if (!Number.isNaN(date)) onAnswer(date, askedUs, clock.nowUs())
      return result
    },
    { step: 'deserialize', name: 'tellAnswers', priority: 'low' },
  )
}

/** A condition that did not hold, or a transaction that was cancelled: an answer, not a failure. */
export function isRefusal(error: unknown): error is Error {
  return error instanceof Error && (error.name === 'ConditionalCheckFailedException' || error.name === 'TransactionCanceledException')
}

/** Nothing was done, and it may be in a moment. */
function isPassing(reason: string): boolean {
  return /^(TransactionConflictException|TransactionInProgressException|ECONNREFUSED)$/.test(reason)
}

import { SQS } from '@aws-sdk/client-sqs'
import { SqsError, sqsErrorOf } from './sqs-errors.ts'

export interface SqsOptions {
  /** Of the queue of jobs; its dead letters are in `<name>-dead`. */
  queueName: string
  /** Undefined: that of AWS in the region. */
  endpointUrl: string | undefined
  /** Undefined: as the SDK finds it. */
  region: string | undefined
  /** Whether requests are signed with made-up credentials, for a server on this machine that asks for none. */
  madeUpCredentials: boolean
}

/** How long one try of a call may take, and the call with all its tries. Those of a long poll begin when its wait ends. */
const TRY_MS = 2000
const CALL_MS = 5000
const CONNECT_MS = 2000
const TRIES = 3

/** What a call passes on to the SDK. */
interface CallOptions {
  abortSignal: AbortSignal
  requestTimeout: number
}

/** The way to SQS: every call ends in time, and fails as `SqsError` and nothing else. */
export interface SqsClient {
  readonly queueName: string
  /** @param waitMs how long SQS is asked to wait before it answers */
  call<Output>(ask: (sqs: SQS, options: CallOptions) => Promise<Output>, waitMs?: number): Promise<Output>
  /** Breaks off what is under way. */
  destroy(): void
}

export function createSqsClient(options: SqsOptions): SqsClient {
  const { queueName, endpointUrl, region } = options
  const sqs = new SQS({
    ...(endpointUrl !== undefined && {
      endpoint: endpointUrl,
      // A server names itself as it sees itself, which need not be how it is reached from here.
      useQueueUrlAsEndpoint: false,
    }),
    ...(region !== undefined && { region }),
    ...(options.madeUpCredentials && { credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }),
    maxAttempts: TRIES,
    requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: TRY_MS, throwOnRequestTimeout: true },
  })
  const underWay = new Set<AbortController>()
  let isDestroyed = false

  return {
    queueName,
    async call(ask, waitMs = 0) {
      if (isDestroyed) throw new SqsError('closed', 'The queue is closed.')
      const controller = new AbortController()
      const timer = setTimeout(() => controller.abort(), waitMs + CALL_MS)
      underWay.add(controller)
      try {
        return await ask(sqs, { abortSignal: controller.signal, requestTimeout: waitMs + TRY_MS })
      } catch (error) {
        throw sqsErrorOf(error, queueName)
      } finally {
        clearTimeout(timer)
        underWay.delete(controller)
      }
    },
    destroy() {
      isDestroyed = true
      for (const controller of underWay) controller.abort()
      sqs.destroy()
    },
  }
}

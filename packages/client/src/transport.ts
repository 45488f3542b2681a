/** What a call is to the resources, and how one try of it is sent: the only file that knows axios. */
import axios from 'axios'
import type { ApiError } from './errors.ts'
import { lowerCase } from './headers.ts'
import type { RequestOptions } from './options.ts'

/** An answer with what came beside its body. */
export interface ApiResponse<T> {
  data: T
  status: number
  /** By their lower-case names. */
  headers: Readonly<Record<string, string>>
  requestId: string
}

/** An answer as the resources see it. */
export interface TransportResponse<T> extends ApiResponse<T> {
  /** An earlier try failed in such a way that the server may have done its work. */
  maybeReachedServer: boolean
}

/**
 * When a call may be tried again. A failure after which nothing was done (connection refused, 429, 503) always allows it; any other
 * connection failure, 408 and 5xx only where doing it twice is as doing it once: reads, acks and deletes (`always`), and writes with an
 * idempotency key (`idempotent-write`).
 */
export type RetryClass = 'always' | 'idempotent-write' | 'not-done-only'

/** One call of the API. */
export interface RequestSpec<T> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** From `/v1` on, already encoded: see `path`. */
  path: string
  /** Members that are undefined are left out. */
  query?: object | undefined
  /** Sent as JSON. */
  body?: unknown
  /** JSON that is sent as it is, in place of `body`. */
  bodyText?: string | undefined
  /** Texts that are sent with this call, and that no error may repeat: a webhook's secret, say. */
  secrets?: readonly string[] | undefined
  options?: RequestOptions | undefined
  retry: RetryClass
  /**
   * Turns an error into success, when it only says that an earlier try whose answer was lost has done the work. Asked only where there was
   * such a try.
   */
  treatAsDone?: (error: ApiError) => { data: T } | undefined
}

/** Sends a call, with its retries. */
export interface Transport {
  request<T>(spec: RequestSpec<T>): Promise<TransportResponse<T>>
}

/** One try, ready to be sent. */
export interface Try {
  method: string
  url: string
  headers: Readonly<Record<string, string>>
  body: string | undefined
  signal: AbortSignal
}

/** What came back, whatever the status. */
export interface Answer {
  status: number
  /** By their lower-case names. */
  headers: Record<string, string>
  text: string
}

/** Why nothing came back. */
export class SendFailure extends Error {
  readonly code: string | undefined

  constructor(message: string, code: string | undefined) {
    super(message)
    this.code = code
  }
}

/**
 * @param fetchAdapter send with the platform's `fetch`, or with this one
 * @returns what sends one try, over connections of its own; it rejects with a {@link SendFailure}
 */
export function createSender(fetchAdapter: boolean | typeof globalThis.fetch): (attempt: Try) => Promise<Answer> {
  const client = axios.create({
    // axios has no http adapter where there is no `node:http`.
    adapter: fetchAdapter === false ? ['http', 'fetch'] : 'fetch',
    ...(typeof fetchAdapter === 'function' && { env: { fetch: fetchAdapter } }),
    ...keepAliveAgents(),
    // Which statuses are errors is for the call to say.
    validateStatus: () => true,
    // A redirect would take the key elsewhere.
    maxRedirects: 0,
    responseType: 'text',
    // The bytes that are sent are the bytes that were signed.
    transformRequest: [],
    transformResponse: [],
  })
  return async ({ method, url, headers, body, signal }) => {
    try {
      const answer = await client.request<string>({
        method,
        url,
        signal,
        data: body,
        // Where we say nothing of these two, axios shall not either.
        headers: { 'content-type': false, 'user-agent': false, ...headers },
      })
      return { status: answer.status, headers: lowerCase(answer.headers), text: answer.data }
    } catch (error) {
      throw sendFailureOf(error)
    }
  }
}

/** Connections that stay open between calls, where there is `node:http`. */
function keepAliveAgents() {
  if (typeof process === 'undefined' || typeof process.getBuiltinModule !== 'function') return {}
  const http = process.getBuiltinModule('node:http')
  const https = process.getBuiltinModule('node:https')
  // A worker may have the function, and not the modules.
  if (!http?.Agent || !https?.Agent) return {}
  return { httpAgent: new http.Agent({ keepAlive: true }), httpsAgent: new https.Agent({ keepAlive: true }) }
}

/** Takes the few words that say what happened: axios' own error holds the request, with the API key in its headers. */
function sendFailureOf(error: unknown): SendFailure {
  if (!(error instanceof Error)) return new SendFailure('', undefined)
  // fetch says in the cause what happened.
  const source = error.cause instanceof Error ? error.cause : error
  const code = 'code' in source && typeof source.code === 'string' ? source.code : undefined
  // What axios calls a bad response is one whose connection ended before it did.
  return code === 'ERR_BAD_RESPONSE' ? new SendFailure('the answer ended early', 'ECONNRESET') : new SendFailure(source.message, code)
}

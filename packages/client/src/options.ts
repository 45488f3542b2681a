/** What a user can set: for the whole client, or for one call. */

/** Set for one call; what is left out is as the client was made. */
export interface RequestOptions {
  /** How often a failed call is tried again; 0 tries once. */
  maxRetries?: number | undefined
  /** How long one try may take, in milliseconds. */
  timeoutMs?: number | undefined
  /** How long the call may take with all its tries and waits, in milliseconds. */
  totalTimeoutMs?: number | undefined
  /** Ends the call when it is aborted: the call then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Further headers. `X-Request-ID` given here names the call; the API key and the signature cannot be replaced. */
  headers?: Readonly<Record<string, string | undefined>> | undefined
}

/** Set for one `events.create`. */
export interface CreateOptions extends RequestOptions {
  /**
   * Sending the same event with the same key within 24 hours makes no second one. Left out, each call makes a key of its own, which
   * its retries share.
   */
  idempotencyKey?: string | undefined
}

/** What every hook learns of the try that it is called for. Never the API key, a signature or a body. */
export interface RequestInfo {
  method: string
  url: string
  /** The call's `X-Request-ID`: the same for all its tries. */
  requestId: string
  /** Which try of the call this is, from 1. */
  attempt: number
}

/**
 * Called along a call's way; for logs and metrics. What a hook throws is ignored.
 *
 * @example
 * new Triggers({ logger: { onRetry: ({ method, url, delayMs, error }) => console.warn(method, url, 'again in', delayMs, error.message) } })
 */
export interface Logger {
  /** Before each try. */
  onRequest?(info: RequestInfo): void
  /** After each try that was answered, whatever the status. */
  onResponse?(info: RequestInfo & { status: number; durationMs: number }): void
  /** Before the wait for a further try. */
  onRetry?(info: RequestInfo & { delayMs: number; error: Error }): void
}

/** How a client is made. */
export interface TriggersOptions {
  /** The API key. Default: the environment variable `TRIGGERS_API_KEY`. */
  apiKey?: string | undefined
  /** Where the server is, with or without `/v1`. Default: `TRIGGERS_URL`, else `http://127.0.0.1:8080`. */
  baseUrl?: string | undefined
  /** Signs every request with this secret of the key. Default: `TRIGGERS_SIGNING_SECRET`, else requests are not signed. */
  signingSecret?: string | undefined
  /** How often a failed call is tried again. Default: 3. */
  maxRetries?: number | undefined
  /** How long one try may take, in milliseconds. Default: 30,000. */
  timeoutMs?: number | undefined
  /** How long a call may take with all its tries and waits, in milliseconds. Default: 120,000. */
  totalTimeoutMs?: number | undefined
  /** Further headers of every request. */
  headers?: Readonly<Record<string, string | undefined>> | undefined
  logger?: Logger | undefined
  /** Sends with the platform's `fetch`, or with the given one, also where `node:http` is there. */
  fetchAdapter?: boolean | typeof globalThis.fetch | undefined
}

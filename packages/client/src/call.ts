/** A call: its tries, the waits between them, and what its answer means. */
import { ApiError, apiErrorFrom, ConnectionError, TimeoutError, TriggersError } from './errors.ts'
import { VERSION } from './generated/version.ts'
import { lowerCase } from './headers.ts'
import { isObject } from './json.ts'
import type { RequestInfo } from './options.ts'
import { queryText } from './path.ts'
import { newUuid, type Platform, runtimeName, systemPlatform } from './platform.ts'
import { mayHaveReachedServer, mayRetry, parseRetryAfter, retryDelayMs } from './retry.ts'
import { checkedLimits, type Limits, type Settings } from './settings.ts'
import { signRequest } from './signing.ts'
import { type Answer, createSender, type RequestSpec, SendFailure, type Transport, type TransportResponse } from './transport.ts'

/** A timer cannot be set for longer. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** A call that is under way. */
interface Call extends Limits {
  method: string
  url: string
  /** Path and query, as they are sent. */
  target: string
  body: string | undefined
  headers: Readonly<Record<string, string>>
  requestId: string
  endsAtMs: number
  /** The time that the last try was signed with, in Unix seconds; 0 before the first. */
  signedAt: number
  signal: AbortSignal | undefined
  /** What no error may repeat. */
  secrets: readonly string[]
}

export function createTransport(settings: Settings, platform: Platform = systemPlatform): Transport {
  const send = createSender(settings.fetchAdapter)
  const basePath = new URL(settings.baseUrl).pathname.replace(/\/$/, '')
  const runtime = runtimeName()
  const headers: Readonly<Record<string, string>> = {
    accept: 'application/json',
    // Pages may not name themselves.
    ...(runtime !== undefined && { 'user-agent': `triggers-client/${VERSION} ${runtime}` }),
    ...lowerCase(settings.headers),
  }

  return { request }

  async function request<T>(spec: RequestSpec<T>): Promise<TransportResponse<T>> {
    const call = prepare(spec)
    let maybeReachedServer = false
    for (let retries = 0; ; retries++) {
      call.signal?.throwIfAborted()
      const info = { method: call.method, url: call.url, requestId: call.requestId, attempt: retries + 1 }
      const outcome = await attempt<T>(call, info)
      if (!(outcome instanceof TriggersError)) return { ...outcome, maybeReachedServer }
      const done = maybeReachedServer && outcome instanceof ApiError ? spec.treatAsDone?.(outcome) : undefined
      if (done !== undefined && outcome instanceof ApiError) {
        return {
          ...done,
          status: outcome.status,
          headers: outcome.headers,
          requestId: outcome.requestId ?? call.requestId,
          maybeReachedServer,
        }
      }
      maybeReachedServer ||= mayHaveReachedServer(outcome)
      if (retries >= call.maxRetries || !mayRetry(outcome, spec.retry)) throw outcome
      const delayMs = retryDelayMs(outcome, retries, platform.random)
      // A wait beyond the call's end helps nobody; the failure says more than a timeout would.
      if (platform.nowMs() + delayMs >= call.endsAtMs) throw outcome
      tell(() => settings.logger?.onRetry?.({ ...info, delayMs, error: outcome }))
      await platform.wait(delayMs, call.signal)
    }
  }

  function prepare<T>({ method, path, query, body, bodyText, secrets = [], options = {} }: RequestSpec<T>): Call {
    const text = bodyText ?? (body === undefined ? undefined : JSON.stringify(body))
    const given = lowerCase(options.headers)
    const requestId = given['x-request-id'] ?? headers['x-request-id'] ?? newUuid()
    const limits = checkedLimits({
      maxRetries: options.maxRetries ?? settings.maxRetries,
      timeoutMs: options.timeoutMs ?? settings.timeoutMs,
      totalTimeoutMs: options.totalTimeoutMs ?? settings.totalTimeoutMs,
    })
    const pathAndQuery = path + queryText(query)
    return {
      method,
      url: settings.baseUrl + pathAndQuery,
      target: basePath + pathAndQuery,
      body: text,
      headers: {
        ...headers,
        ...given,
        ...(text !== undefined && { 'content-type': 'application/json' }),
        'x-request-id': requestId,
        'x-api-key': settings.apiKey,
      },
      requestId,
      ...limits,
      endsAtMs: platform.nowMs() + limits.totalTimeoutMs,
      signedAt: 0,
      signal: options.signal,
      // The longest first, as one may be part of another.
      secrets: [settings.apiKey, settings.signingSecret ?? '', ...secrets.flatMap(writings)].sort((a, b) => b.length - a.length),
    }
  }

  /** Anew for each try, and never twice with the same second: the server takes some signatures once only. */
  function sign(call: Call, secret: string): Promise<Record<string, string>> {
    const { method, target, body } = call
    call.signedAt = Math.max(Math.floor(platform.nowMs() / 1000), call.signedAt + 1)
    return signRequest({ method, target, body, secret, timestamp: call.signedAt })
  }

  /** @returns the answer, or why there is none; rejects only with the reason of an abort */
  async function attempt<T>(call: Call, info: RequestInfo): Promise<Omit<TransportResponse<T>, 'maybeReachedServer'> | TriggersError> {
    const { method, url, body, signal, requestId } = call
    const startedAtMs = platform.nowMs()
    const leftMs = call.endsAtMs - startedAtMs
    const controller = new AbortController()
    const abort = () => controller.abort()
    const timer = setTimeout(abort, Math.min(call.timeoutMs, leftMs, MAX_TIMER_MS))
    signal?.addEventListener('abort', abort)
    try {
      const signature = settings.signingSecret === undefined ? undefined : await sign(call, settings.signingSecret)
      tell(() => settings.logger?.onRequest?.(info))
      const answer = await send({ method, url, headers: { ...call.headers, ...signature }, body, signal: controller.signal })
      tell(() => settings.logger?.onResponse?.({ ...info, status: answer.status, durationMs: platform.nowMs() - startedAtMs }))
      return read<T>(answer, call)
    } catch (failure) {
      signal?.throwIfAborted()
      if (controller.signal.aborted) {
        return leftMs <= call.timeoutMs
          ? new TimeoutError('total', call.totalTimeoutMs, requestId)
          : new TimeoutError('try', call.timeoutMs, requestId)
      }
      if (!(failure instanceof SendFailure)) throw failure
      return lostConnection(failure.message, failure.code, call)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }

  function read<T>({ status, headers, text }: Answer, call: Call): Omit<TransportResponse<T>, 'maybeReachedServer'> | TriggersError {
    const requestId = headers['x-request-id'] ?? call.requestId
    // A server or proxy that repeats what it was sent must not get a secret into somebody's log.
    if (status < 200 || status > 299) return apiErrorOf({ status, headers, text }, requestId, platform.nowMs(), call.secrets)
    const data = text === '' && status === 204 ? undefined : parse(text)
    if (data !== undefined || status === 204) {
      // What the body is, the API's document says.
      return { data: data as T, status, headers, requestId }
    }
    if (headers['content-type']?.includes('json')) return lostConnection('the answer ended early', undefined, { ...call, requestId })
    return apiErrorFrom({
      status,
      code: `HTTP_${status}`,
      message: 'The answer is not of this API: check `baseUrl`.',
      requestId,
      details: {},
      headers,
      retryAfterMs: undefined,
    })
  }

  function lostConnection(reason: string, code: string | undefined, { requestId, secrets }: Call): ConnectionError {
    const what = [reason, code !== undefined && !reason.includes(code) && `(${code})`].filter(Boolean).join(' ')
    return new ConnectionError(without(secrets, `No answer from ${settings.baseUrl}: ${what}.`), { code, requestId })
  }
}

/** Shorter texts than this are no secrets, and would tear holes into any message. */
const MIN_SECRET_CHARACTERS = 8

/** A secret of a body as it is, and as it stands in JSON. */
function writings(secret: string): string[] {
  return secret.length < MIN_SECRET_CHARACTERS ? [] : [secret, JSON.stringify(secret).slice(1, -1)]
}

function without(secrets: readonly string[], text: string): string {
  return secrets.reduce((left, secret) => (secret ? left.replaceAll(secret, '[secret]') : left), text)
}

/** @returns the error that the server described, or one that says as much as there is to say when it did not */
function apiErrorOf({ status, headers, text }: Answer, requestId: string, nowMs: number, secrets: readonly string[]): ApiError {
  // In the names, then in the texts, however they were escaped.
  const body = parse(without(secrets, text), (_, value) => (typeof value === 'string' ? without(secrets, value) : value))
  const described = isObject(body) && isObject(body['error']) ? body['error'] : {}
  const { code, message, details } = described
  return apiErrorFrom({
    status,
    code: typeof code === 'string' ? code : `HTTP_${status}`,
    message: typeof message === 'string' ? message : `The server answered ${status} without saying why.`,
    requestId: typeof described['request_id'] === 'string' ? described['request_id'] : requestId,
    details: isObject(details) ? details : {},
    headers,
    retryAfterMs: parseRetryAfter(headers['retry-after'], nowMs),
  })
}

/** @returns undefined where the text is no JSON */
function parse(text: string, revive?: (name: string, value: unknown) => unknown): unknown {
  try {
    return JSON.parse(text, revive)
  } catch {
    return undefined
  }
}

/** A hook changes nothing about the call, not even by throwing. */
function tell(hook: () => void): void {
  try {
    hook()
  } catch {}
}

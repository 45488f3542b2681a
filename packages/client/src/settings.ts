/** The client's options, checked and filled. */
import { TriggersError } from './errors.ts'
import type { Logger, TriggersOptions } from './options.ts'
import { environment } from './platform.ts'

/** How calls are sent. Holds secrets: it is kept in closures, never on an object that can be printed. */
export interface Settings {
  apiKey: string
  /** Without `/v1` and without a slash at its end. */
  baseUrl: string
  signingSecret: string | undefined
  maxRetries: number
  timeoutMs: number
  totalTimeoutMs: number
  headers: Readonly<Record<string, string | undefined>>
  logger: Logger | undefined
  fetchAdapter: boolean | typeof globalThis.fetch
}

const DEFAULT_URL = 'http://127.0.0.1:8080'

/** @throws TriggersError that says what is missing or wrong, and never repeats a secret */
export function settingsFrom(options: TriggersOptions): Settings {
  const apiKey = options.apiKey ?? environment('TRIGGERS_API_KEY')
  if (!apiKey) throw new TriggersError('An API key is needed: give `apiKey`, or set TRIGGERS_API_KEY.')
  if (!isHeaderText(apiKey)) throw new TriggersError('`apiKey` has a character that no API key has, such as a space or a line break.')
  const { maxRetries = 3, timeoutMs = 30_000, totalTimeoutMs = 120_000, headers = {}, logger, fetchAdapter = false } = options
  return {
    apiKey,
    baseUrl: baseUrlFrom(options.baseUrl ?? environment('TRIGGERS_URL') ?? DEFAULT_URL),
    signingSecret: options.signingSecret ?? environment('TRIGGERS_SIGNING_SECRET'),
    ...checkedLimits({ maxRetries, timeoutMs, totalTimeoutMs }),
    headers,
    logger,
    fetchAdapter,
  }
}

/** How often and how long a call may be tried. */
export type Limits = Pick<Settings, 'maxRetries' | 'timeoutMs' | 'totalTimeoutMs'>

/** @throws TriggersError when one of them makes no sense */
export function checkedLimits(limits: Limits): Limits {
  const { maxRetries, timeoutMs, totalTimeoutMs } = limits
  if (!Number.isInteger(maxRetries) || maxRetries < 0) throw new TriggersError('`maxRetries` must be a whole number, 0 or more.')
  if (!(timeoutMs > 0)) throw new TriggersError('`timeoutMs` must be more than 0.')
  if (!(totalTimeoutMs > 0)) throw new TriggersError('`totalTimeoutMs` must be more than 0.')
  return limits
}

function isHeaderText(text: string): boolean {
  return typeof text === 'string' && /^[\x21-\x7e]+$/.test(text)
}

function baseUrlFrom(text: string): string {
  const url = parseUrl(text)
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new TriggersError('`baseUrl` must be a URL such as https://events.example.com.')
  }
  // Not repeated: these could be secrets.
  if (url.username !== '' || url.password !== '') throw new TriggersError('`baseUrl` must not hold a user name or a password.')
  if (url.search !== '' || url.hash !== '') throw new TriggersError('`baseUrl` must not have a query or a fragment.')
  return url.origin + url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '')
}

// `URL.parse` is not in Node 20.
function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}

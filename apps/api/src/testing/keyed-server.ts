/** A server as one that faces the internet: stored keys alone count, requests are signed where their key requires it. */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { adminJson } from './admin-process.ts'
import type { ServerProcess } from './server-process.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** What a server and the operator beside it are started with. */
export type KeyedEnvironment = Record<'DATA_DIR' | 'ENCRYPTION_KEY' | 'AUTH_MODE' | 'RATE_LIMIT_PER_MINUTE', string>

/** What a caller holds. */
export interface Credentials {
  key: string
  /** Signs every request with it. */
  signingSecret?: string | undefined
}

export interface AskOptions {
  method?: string
  headers?: Record<string, string>
  /** Sent as JSON; a string as it is. */
  body?: unknown
}

export interface Answer {
  status: number
  headers: Headers
  text: string
  // Tests look into bodies of every form.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  body: any
}

export const EVENT = { source: 'keyed', event_type: 'test', payload: { n: 1 } }

export function newMasterKey(id = 'main'): string {
  return `${id}:${randomBytes(32).toString('base64')}`
}

/** With a data directory and a master key of its own, and without rate limits. */
export function keyedEnvironment(): KeyedEnvironment {
  return { DATA_DIR: temporaryDirectory(), ENCRYPTION_KEY: newMasterKey(), AUTH_MODE: 'keys', RATE_LIMIT_PER_MINUTE: '0' }
}

/** The first key, which may do everything in the workspace `default`; made by the operator, as there is none to make it with. */
export async function firstKey(environment: KeyedEnvironment): Promise<Credentials> {
  const key = `first-${randomBytes(16).toString('hex')}`
  await adminJson(environment, ['import-keys', '-'], JSON.stringify([{ api_key: key, name: 'first' }]))
  return { key }
}

export async function ask(
  server: Pick<ServerProcess, 'url'>,
  credentials: Credentials | undefined,
  target: string,
  { method = 'GET', headers = {}, body }: AskOptions = {},
): Promise<Answer> {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  const { key, signingSecret } = credentials ?? {}
  const response = await fetch(server.url + target, {
    method,
    headers: {
      ...(text !== undefined && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'x-api-key': key }),
      ...(signingSecret !== undefined && signatureHeaders(signingSecret, method, target, text)),
      ...headers,
    },
    ...(text !== undefined && { body: text }),
  })
  const answered = await response.text()
  const isJson = response.headers.get('content-type') === 'application/json' && answered !== ''
  return { status: response.status, headers: response.headers, text: answered, body: isJson ? JSON.parse(answered) : undefined }
}

/** Asks for what must succeed; gives the body. */
export async function askOk(...question: Parameters<typeof ask>): Promise<Answer['body']> {
  const { status, text, body } = await ask(...question)
  expect(status, `${question[3]?.method ?? 'GET'} ${question[2]}: ${text}`).toBeLessThan(300)
  return body
}

function signatureHeaders(secret: string, method: string, target: string, body = ''): Record<string, string> {
  const mark = target.indexOf('?')
  const [path, query] = mark < 0 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)]
  const timestamp = String(Math.floor(Date.now() / 1000))
  const signed = [method, path, query, timestamp, createHash('sha256').update(body).digest('hex')].join('\n')
  return {
    'x-signature-version': 'v1',
    'x-signature-timestamp': timestamp,
    'x-signature': createHmac('sha256', secret).update(signed).digest('base64'),
  }
}

/** What tests of API keys share: a valid input, and steps that must succeed. */
import { expect } from 'vitest'
import type { RequestOptions, TestAnswer, TestApp } from './test-app.ts'

export const KEY_INPUT = { name: 'Shop', scopes: ['events:read'] }

export interface CreatedKey {
  key_id: string
  api_key: string
  signing_secret?: string
  [field: string]: unknown
}

/** Makes a key that is `KEY_INPUT` but for the given fields. */
export async function createKey(app: TestApp, caller: string, fields: object = {}): Promise<CreatedKey> {
  const answer = await app.request('/v1/api-keys', { method: 'POST', key: caller, body: { ...KEY_INPUT, ...fields } })
  expect(answer.status, answer.text).toBe(201)
  return answer.body
}

/** Calls `/v1/api-keys/{key_id}`, or what is below it. */
export function callKey(
  app: TestApp,
  caller: string,
  keyId: string,
  method: string,
  below = '',
  options: RequestOptions = {},
): Promise<TestAnswer> {
  return app.request(`/v1/api-keys/${keyId}${below}`, { method, key: caller, ...options })
}

/** What the key is, without the request id. */
export async function readKey(app: TestApp, caller: string, keyId: string) {
  const answer = await callKey(app, caller, keyId, 'GET')
  expect(answer.status, answer.text).toBe(200)
  const { request_id: _, ...key } = answer.body
  return key
}

/** What a request with that secret is answered with. */
export async function statusWith(app: TestApp, secret: string): Promise<number> {
  return (await app.request('/v1/whoami', { key: secret })).status
}

/** The workspace's audit entries, the newest first. */
export async function auditOf(app: TestApp, caller: string) {
  const answer = await app.request('/v1/audit-log?limit=100', { key: caller })
  expect(answer.status, answer.text).toBe(200)
  return answer.body.entries
}

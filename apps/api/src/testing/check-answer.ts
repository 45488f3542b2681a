import { expect } from 'vitest'
import { type BodyValue, parseBody, RawJson } from '../domain/json.ts'
import { ErrorSchema } from '../errors.ts'
import { endpoints } from '../routes/index.ts'
import type { TestAnswer } from './test-app.ts'

/** Holds an answer against what the document says of its call: a declared status, a body of the declared form, the request id. */
export function checkAnswer(method: string, path: string, answer: TestAnswer): void {
  expect(answer.headers.get('x-request-id')).toMatch(/^[A-Za-z0-9._:-]{1,128}$/)
  if (!path.startsWith('/v1/') || method === 'HEAD') return
  if (answer.status === 204) expect([answer.text, answer.headers.get('content-type')]).toEqual(['', null])
  else expect(answer.headers.get('content-type')).toBe('application/json')
  const requestId = answer.headers.get('x-request-id')
  if (answer.status >= 400) {
    expect(ErrorSchema.strict().parse(answer.body).error.request_id).toBe(requestId)
  } else if (answer.status !== 204) {
    expect(answer.body.request_id).toBe(requestId)
  }
  const endpoint = endpoints.find(({ route }) => route.method === method.toLowerCase() && pathPattern(route.path).test(path))
  if (endpoint === undefined) {
    expect([204, 401, 403, 404, 405, 413, 429, 503]).toContain(answer.status)
    return
  }
  expect(Object.keys(endpoint.route.responses), `${method} ${path} declares ${answer.status}`).toContain(String(answer.status))
  endpoint.success[answer.status]?.schema?.parse(parseAnswer(answer.text))
}

/** An answer in the form that its schema is for: payloads as they came; all else, however deep, as values. */
export function parseAnswer(text: string): unknown {
  return withoutRaw(parseBody(text))
}

function withoutRaw(value: BodyValue, name = ''): unknown {
  if (value instanceof RawJson) return name === 'payload' ? value : JSON.parse(value.text)
  if (Array.isArray(value)) return value.map((member) => withoutRaw(member))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withoutRaw(member, key)]))
}

function pathPattern(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/?]+')}(\\?|$)`)
}

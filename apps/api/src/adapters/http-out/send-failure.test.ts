import { expect, it } from 'vitest'
import { failureOf, SendFailure, tlsFailureOf } from './send-failure.ts'

const coded = (code: string) => Object.assign(new Error(`${code} 10.0.0.1:443 /secret`), { code })

it.each([
  ['ECONNREFUSED', 'connection_refused'],
  ['ETIMEDOUT', 'connect_timeout'],
  ['ECONNRESET', 'connection_reset'],
  ['EPIPE', 'connection_reset'],
  ['EHOSTUNREACH', 'connection_failed'],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'tls_failed'],
  ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
  ['UND_ERR_HEADERS_OVERFLOW', 'invalid_answer'],
])('takes %s for %s, and keeps nothing of its message', (code, error) => {
  const failure = failureOf(coded(code), 'receiver.test')
  expect(failure).toMatchObject({ error, message: expect.stringContaining('receiver.test') })
  expect(failure.message).not.toMatch(/10\.0\.0\.1|secret/)
  expect(tlsFailureOf(coded(code), 'receiver.test').message).not.toMatch(/10\.0\.0\.1|secret/)
})

it('takes of several addresses the error that says most', () => {
  const ofSeveral = (...codes: string[]) => failureOf(new AggregateError(codes.map(coded)), 'receiver.test').error
  expect(ofSeveral('ENETUNREACH', 'ETIMEDOUT', 'ECONNREFUSED')).toBe('connection_refused')
  expect(ofSeveral('ENETUNREACH', 'ETIMEDOUT')).toBe('connect_timeout')
  expect(ofSeveral('ENETUNREACH', 'EHOSTUNREACH')).toBe('connection_failed')
})

it('leaves what has a meaning already, and knows no other', () => {
  const failure = new SendFailure('proxy_failed', 'No.')
  expect([failureOf(failure, 'receiver.test'), tlsFailureOf(failure, 'receiver.test')]).toEqual([failure, failure])
  for (const other of [undefined, 'text', {}, new Error('secret')]) {
    expect(failureOf(other, 'receiver.test')).toMatchObject({
      error: 'connection_failed',
      message: 'The connection to receiver.test failed.',
    })
  }
})

import { describe, expect, it } from 'vitest'
import { headerProblem } from './webhook-headers.ts'

describe('a name', () => {
  it.each([
    'Authorization',
    'x-api-key',
    'X-Tenant',
    'user-agent',
    'cookie',
    'accept',
    'x_1',
    "!#$%&'*+-.^_`|~",
    '__proto__',
    'hostname',
    'webhook',
    'contents',
  ])('may be %s', (name) => {
    expect(headerProblem(name, 'x')).toBeUndefined()
  })

  it.each([
    'Host',
    'Connection',
    'Keep-Alive',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'Expect',
    'HTTP2-Settings',
    'Proxy-Authorization',
    'Proxy-Connection',
    'Content-Length',
    'Content-Type',
    'Content-Encoding',
    'Webhook-Id',
    'webhook-signature',
    'X-Webhook-Id',
    'X-Webhook-Other',
  ])('must not be %s, in any case', (name) => {
    for (const one of [name, name.toLowerCase(), name.toUpperCase()]) expect(headerProblem(one, 'x')).toContain('deliveries set themselves')
  })

  it.each(['', ' ', 'a b', 'a:', ':authority', 'a\r\nb', 'é', 'a\0', 'x(y)', 'x/y', '"x"', 'host ', 'ho\u017ft'])(
    'must not be "%s"',
    (name) => {
      expect(headerProblem(name, 'x')).toContain('has a name')
    },
  )

  it('is not longer than 100 characters', () => {
    expect(headerProblem('x'.repeat(100), 'x')).toBeUndefined()
    expect(headerProblem('x'.repeat(101), 'x')).toContain('at most 100')
  })
})

describe('a value', () => {
  it.each(['x', 'Bearer abc.def==', 'a b\tc', '~!"', 'x'.repeat(1024)])('may be %s', (value) => {
    expect(headerProblem('x-own', value)).toBeUndefined()
  })

  it.each(['', ' ', ' x', 'x ', '\tx', 'a\r\nx-other: b', 'a\nb', 'a\0b', 'a\u007f', 'é', '\u{1f600}', 'x'.repeat(1025)])(
    'must not be "%s"',
    (value) => {
      const problem = headerProblem('x-own', value)
      expect(problem).toMatch(/^must have/)
      if (value.trim() !== '') expect(problem).not.toContain(value)
    },
  )
})

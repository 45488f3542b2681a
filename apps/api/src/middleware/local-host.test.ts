import { describe, expect, it } from 'vitest'
import { sharedApp } from '../testing/test-app.ts'

const app = await sharedApp()

describe('in AUTH_MODE=local', () => {
  it.each(['localhost', 'LOCALHOST', 'localhost:8080', '127.0.0.1', '127.0.0.1:80', '[::1]', '[::1]:65535'])(
    'the host %s is served',
    async (host) => {
      expect((await app.request('/v1/inbox', { headers: { host } })).status).toBe(200)
    },
  )

  it.each([
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    'evil-localhost',
    '127.0.0.1.nip.io',
    '127.0.0.2',
    '0.0.0.0:8080',
    '[::2]',
    'localhost:8080:1',
    'localhost@evil.example',
  ])('the host %s is refused', async (host) => {
    for (const path of ['/v1/inbox', '/v1/health', '/openapi.json', '/docs', '/nothing']) {
      const answer = await app.request(path, { headers: { host } })
      expect([answer.status, answer.body.error.code], path).toEqual([403, 'FORBIDDEN'])
    }
  })

  it('the host is judged before the key', async () => {
    expect((await app.request('/v1/inbox', { key: undefined, headers: { host: 'evil.example' } })).status).toBe(403)
  })
})

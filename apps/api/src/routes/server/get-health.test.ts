import { expect, it } from 'vitest'
import { sharedApp } from '../../testing/test-app.ts'
import { VERSION } from '../../version.ts'

const app = await sharedApp()

it('says that the server runs, its time and version, without a key', async () => {
  const answer = await app.request('/v1/health', { key: undefined, headers: { 'x-request-id': 'probe' } })
  expect([answer.status, answer.body]).toEqual([
    200,
    { status: 'healthy', timestamp: '2025-11-21T08:00:00.000000Z', version: VERSION, request_id: 'probe' },
  ])
})

it('does not mind a wrong key', async () => {
  expect((await app.request('/v1/health', { key: 'unknown' })).status).toBe(200)
})

import { expect, it } from 'vitest'
import { sharedApp } from '../../testing/test-app.ts'

const app = await sharedApp()

it('says which key it is, its workspace and scopes', async () => {
  const answer = await app.request('/v1/whoami', {
    key: app.key(['events:read', 'inbox:consume'], 'acme'),
    headers: { 'x-request-id': 'who' },
  })
  expect([answer.status, answer.body]).toEqual([
    200,
    {
      workspace_id: 'acme',
      key_id: expect.stringMatching(/^key_/),
      name: 'A test key',
      scopes: ['events:read', 'inbox:consume'],
      request_id: 'who',
    },
  ])
})

it('is open to a key without any scope', async () => {
  expect((await app.request('/v1/whoami', { key: app.key([]) })).body.scopes).toEqual([])
})

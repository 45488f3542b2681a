import { expect, it } from 'vitest'
import { callKey, createKey } from '../../testing/api-keys.ts'
import { type TestApp, testApp } from '../../testing/test-app.ts'

const versions = async (app: TestApp, caller: string, keyId: string) =>
  (await callKey(app, caller, keyId, 'GET', '/versions')).body.versions

it('has the one secret of a new key, which ends with the key', async () => {
  const app = await testApp()
  const caller = app.key()
  const { key_id } = await createKey(app, caller)
  const { body } = await callKey(app, caller, key_id, 'GET', '/versions')
  expect(body).toEqual({
    versions: [{ version: 1, status: 'active', created_at: '2025-11-21T08:00:00.000000Z', rotated_at: null, expires_at: null }],
    request_id: expect.any(String),
  })
  await callKey(app, caller, key_id, 'PATCH', '', { body: { expires_at: '2025-11-22' } })
  expect((await versions(app, caller, key_id))[0]).toMatchObject({ status: 'active', expires_at: '2025-11-22T00:00:00.000000Z' })
})

it('says how each secret stands, at the time of the call', async () => {
  const app = await testApp()
  const caller = app.key()
  const { key_id } = await createKey(app, caller)
  const statuses = async () => (await versions(app, caller, key_id)).map(({ status }: { status: string }) => status)
  await callKey(app, caller, key_id, 'POST', '/rotate?transition_days=1')
  expect(await statuses()).toEqual(['active', 'rotating'])
  app.clock.advance({ days: 1, us: -1 })
  expect(await statuses()).toEqual(['active', 'rotating'])
  app.clock.advance({ us: 1 })
  expect(await statuses()).toEqual(['active', 'expired'])
  await callKey(app, caller, key_id, 'POST', '/rotate')
  expect(await statuses()).toEqual(['active', 'rotating', 'expired'])
})

it('says of a revoked key that all have ended with it, or before', async () => {
  const app = await testApp()
  const caller = app.key()
  const { key_id } = await createKey(app, caller)
  await callKey(app, caller, key_id, 'POST', '/rotate?revoke_previous=true')
  await callKey(app, caller, key_id, 'POST', '/rotate')
  app.clock.advance({ hours: 1 })
  await callKey(app, caller, key_id, 'DELETE')
  expect(await versions(app, caller, key_id)).toMatchObject([
    { version: 3, status: 'expired', expires_at: '2025-11-21T09:00:00.000000Z' },
    { version: 2, status: 'expired', expires_at: '2025-11-21T09:00:00.000000Z' },
    { version: 1, status: 'expired', expires_at: '2025-11-21T08:00:00.000000Z' },
  ])
})

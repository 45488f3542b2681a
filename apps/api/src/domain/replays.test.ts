import { expect, it } from 'vitest'
import { testApp } from '../testing/test-app.ts'
import { createWebhook } from '../testing/webhooks.ts'
import { countMatches } from './replays.ts'

it('stops a count that nobody waits for any more', async () => {
  const caller = new AbortController()
  let pages = 0
  const app = await testApp({}, (store) =>
    Object.assign(Object.create(store), {
      listEvents: async () => {
        if (++pages === 3) caller.abort()
        if (pages > 10) throw new Error('The count goes on for ever.')
        return { events: [], next: 'further' }
      },
    }),
  )
  const { webhook_id } = await createWebhook(app, app.key(undefined, 'acme'))
  const input = { sinceUs: 0, untilUs: undefined, filter: null, selection: null, rate: undefined }
  await countMatches(app.deps, 'acme', webhook_id, input, caller.signal)
  expect(pages).toBe(3)
})

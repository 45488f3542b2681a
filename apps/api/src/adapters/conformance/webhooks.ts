import { beforeAll, describe, expect, it } from 'vitest'
import type { WebhookRecord } from '../../webhook-ports.ts'
import {
  anyUuid,
  auditActions,
  fiftyTimes,
  newAuditEntry,
  newEvent,
  newWebhook,
  newWorkspace,
  type StoreHarness,
  savedWebhook,
} from './harness.ts'

const WHOLE: Partial<WebhookRecord> = {
  url: 'https://zoë.example/a?b=c%20d#🚀',
  events: ['user.*', 'order.created', 'triggers.*'],
  description: 'Zoë\'s "webhook" 🚀 \u0000',
  filter: {
    source: ['shop', 'back "office"'],
    priority: ['high', 'low'],
    metadata: { region: 'eu', attempts: 3, test: false },
    payload: [
      { path: '$.user.id', op: 'equals', value: null },
      { path: "$['a b'][0]", op: 'in', value: [1.5, 'x', true] },
      { path: '$.a', op: 'exists' },
      { path: '$.b', op: 'prefix', value: 'é' },
      { path: '$.c', op: 'range', value: { gte: -1, lt: 'z' } },
    ],
  },
  headers: { names: ['X-Team', 'Authorization'], sealed: 'sealed-headers' },
  rateLimit: 25,
  retry: 'short',
  payloadFormat: 'standard',
  secrets: [
    { sealed: 'sealed-2', expiresAtUs: null },
    { sealed: 'sealed-1', expiresAtUs: 1_763_700_000_000_002 },
  ],
  isActive: false,
  disabledAtUs: 1_763_700_000_000_003,
  disabledReason: 'gone',
  updatedAtUs: 1_763_700_000_000_004,
}

export function webhookSuite(open: () => Promise<StoreHarness>): void {
  describe('webhooks', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    it('gives a webhook back as it was saved, with its time and revision', async () => {
      const { store, clock } = harness
      for (const record of [newWebhook(), newWebhook(WHOLE)]) {
        const webhook = await savedWebhook(store, record)
        const times = { createdAtUs: expect.any(Number), failingSinceUs: null, alarmedAtUs: null }
        expect(webhook).toEqual({ ...record, revision: 1, ...times })
        expect(Math.abs(webhook.createdAtUs - clock.nowUs())).toBeLessThan(60e6)
        expect(await store.getWebhook(record.webhookId)).toEqual(webhook)
      }
    })

    it('writes a change whole, and leaves its time as it was', async () => {
      const { store, clock } = harness
      const webhook = await savedWebhook(store)
      clock.advance({ hours: 1 })
      const { webhookId, workspaceId } = webhook
      const changed = await savedWebhook(store, { ...newWebhook(WHOLE), webhookId, workspaceId, revision: 1 })
      expect(changed).toEqual({ ...webhook, ...WHOLE, revision: 2 })
      expect(await store.getWebhook(webhookId)).toEqual(changed)
    })

    it('does not find what is not there', async () => {
      const { store } = harness
      const webhook = await savedWebhook(store)
      expect(await store.getWebhook(anyUuid())).toBeUndefined()
      expect(await store.getWebhook(webhook.workspaceId)).toBeUndefined()
    })

    it('writes the audit entry with the webhook, and none without', async () => {
      const { store, settle } = harness
      const workspaceId = newWorkspace()
      await store.saveWebhook(newWebhook({ workspaceId }), { audit: newAuditEntry(workspaceId, { action: 'webhook.created' }) })
      await savedWebhook(store, newWebhook({ workspaceId }))
      await settle()
      expect(await auditActions(store, workspaceId)).toEqual(['webhook.created'])
    })

    it('lets exactly one of fifty that make the same webhook at once win, and one of fifty that change it', async () => {
      const { store, settle } = harness
      const webhook = newWebhook()
      for (const revision of [0, 1]) {
        const results = await fiftyTimes((n) =>
          store.saveWebhook(
            { ...webhook, description: `n${n}`, revision },
            { audit: newAuditEntry(webhook.workspaceId, { action: `${revision}.${n}` }) },
          ),
        )
        const outcomes = results.map((result) => result.outcome)
        expect(outcomes.filter((outcome) => outcome === 'saved')).toHaveLength(1)
        expect(outcomes.filter((outcome) => outcome === 'changed')).toHaveLength(49)
        const winner = outcomes.indexOf('saved')
        expect(await store.getWebhook(webhook.webhookId)).toMatchObject({ description: `n${winner}`, revision: revision + 1 })
        await settle()
        const actions = await auditActions(store, webhook.workspaceId)
        expect(actions).toHaveLength(revision + 1)
        expect(actions[0]).toBe(`${revision}.${winner}`)
      }
    })

    it('refuses any revision but the stored one, and then writes nothing, while its neighbours are written', async () => {
      const { store, settle } = harness
      const workspaceId = newWorkspace()
      const also = { audit: newAuditEntry(workspaceId), alarmedAtUs: 5 }
      expect(await store.saveWebhook(newWebhook({ workspaceId, revision: 1 }), also)).toEqual({ outcome: 'changed' })
      const webhook = await savedWebhook(store, newWebhook({ workspaceId }))
      const changed = await savedWebhook(store, { ...webhook, description: 'Changed' })
      const [lost, created, saved] = await Promise.all([
        Promise.all([0, 1, 3].map((revision) => store.saveWebhook({ ...webhook, revision, url: 'https://lost.example' }, also))),
        store.createEvents(workspaceId, [newEvent()]),
        store.saveWebhook(newWebhook({ workspaceId }), { audit: null }),
      ])
      expect(lost).toEqual(Array(3).fill({ outcome: 'changed' }))
      expect([created, saved]).toMatchObject([[{ outcome: 'created' }], { outcome: 'saved' }])
      expect(await store.getWebhook(webhook.webhookId)).toEqual(changed)
      await settle()
      expect(await auditActions(store, workspaceId)).toEqual([])
      expect((await store.listWebhooks({ workspaceId, limit: 10 })).webhooks).toHaveLength(2)
    })

    it('never makes more than a workspace may have, though fifty are made at once', async () => {
      const { store, settle } = harness
      const workspaceId = newWorkspace()
      const make = (action: string) =>
        store.saveWebhook(newWebhook({ workspaceId }), { audit: newAuditEntry(workspaceId, { action }), maxPerWorkspace: 7 })
      const results = await fiftyTimes(() => make('made'))
      expect(results.filter(({ outcome }) => outcome === 'saved')).toHaveLength(7)
      expect(results.filter(({ outcome }) => outcome === 'too_many')).toHaveLength(43)
      await settle()
      const { webhooks } = await store.listWebhooks({ workspaceId, limit: 50 })
      expect(webhooks).toHaveLength(7)
      expect(await auditActions(store, workspaceId)).toHaveLength(7)

      const [one] = webhooks
      if (one === undefined) throw new Error('No webhook was made.')
      expect(await store.saveWebhook({ ...one, description: 'Changed' }, { audit: null, maxPerWorkspace: 7 })).toMatchObject({
        outcome: 'saved',
      })
      expect(await store.saveWebhook(newWebhook(), { audit: null, maxPerWorkspace: 1 })).toMatchObject({ outcome: 'saved' })
      expect(await make('refused')).toEqual({ outcome: 'too_many' })
      await store.deleteWebhook(one.webhookId, newAuditEntry(workspaceId))
      expect(await make('in its place')).toMatchObject({ outcome: 'saved' })
      expect(await make('refused')).toEqual({ outcome: 'too_many' })
    })

    it('gives it a place between the events stored before and behind it, also when the clock stands or steps back', async () => {
      const { store, clock } = harness
      const workspaceId = newWorkspace()
      const create = async () => {
        const [result] = await store.createEvents(workspaceId, [newEvent()])
        return result?.outcome === 'created' ? result.createdAtUs : 0
      }
      const places: number[] = []
      for (const hours of [0, 0, -1, 2]) {
        clock.advance({ hours })
        places.push(await create(), (await savedWebhook(store, newWebhook({ workspaceId }))).createdAtUs)
      }
      const save = async () => (await savedWebhook(store, newWebhook({ workspaceId }))).createdAtUs
      const atOnce = await Promise.all([create(), save(), create()])
      // Where several processes write, what is asked for at once has any order.
      if (harness.sweeps === false) atOnce.sort((a, b) => a - b)
      places.push(...atOnce, await create())
      expect(new Set(places).size).toBe(places.length)
      expect(places).toEqual([...places].sort((a, b) => a - b))
    })

    it('deletes it once, with the audit entry, and then never finds it again', async () => {
      const { store, settle } = harness
      const webhook = await savedWebhook(store)
      const { webhookId, workspaceId } = webhook
      const kept = await savedWebhook(store, newWebhook({ workspaceId }))
      const results = await fiftyTimes((n) => store.deleteWebhook(webhookId, newAuditEntry(workspaceId, { action: `deleted.${n}` })))
      expect(results.filter((isDeleted) => isDeleted)).toHaveLength(1)
      await settle()
      expect(await auditActions(store, workspaceId)).toEqual([`deleted.${results.indexOf(true)}`])
      expect(await store.getWebhook(webhookId)).toBeUndefined()
      expect(await store.listWebhooks({ workspaceId, limit: 10 })).toEqual({ webhooks: [kept], next: null })
      expect(await store.deleteWebhook(anyUuid(), newAuditEntry(workspaceId))).toBe(false)
      expect(await auditActions(store, workspaceId)).toHaveLength(1)
    })

    it('never brings a deleted one back, whatever revision somebody had read', async () => {
      const { store, settle } = harness
      const webhook = await savedWebhook(store)
      await store.deleteWebhook(webhook.webhookId, newAuditEntry(webhook.workspaceId))
      for (const revision of [0, 1, 2])
        expect(await store.saveWebhook({ ...webhook, revision }, { audit: null })).toEqual({ outcome: 'changed' })
      await settle()
      expect(await store.getWebhook(webhook.webhookId)).toBeUndefined()
      expect(await store.listWebhooks({ workspaceId: webhook.workspaceId, limit: 10 })).toEqual({ webhooks: [], next: null })
    })

    it('keeps webhooks when it is opened again, and has one winner among two stores that change one at once', async () => {
      const { store, reopen, settle } = harness
      const [webhook, gone] = [await savedWebhook(store, newWebhook(WHOLE)), await savedWebhook(store)]
      await store.deleteWebhook(gone.webhookId, newAuditEntry(null))
      const again = await reopen()
      expect(await again.getWebhook(webhook.webhookId)).toEqual(webhook)
      expect(await again.getWebhook(gone.webhookId)).toBeUndefined()
      const results = await fiftyTimes((n) =>
        (n % 2 === 0 ? store : again).saveWebhook({ ...webhook, description: `n${n}` }, { audit: null }),
      )
      expect(results.filter(({ outcome }) => outcome === 'saved')).toHaveLength(1)
      const winner = results.findIndex(({ outcome }) => outcome === 'saved')
      await settle()
      for (const each of [store, again]) {
        expect(await each.getWebhook(webhook.webhookId)).toMatchObject({ description: `n${winner}`, revision: 2 })
      }
      await again.close()
    })
  })
}

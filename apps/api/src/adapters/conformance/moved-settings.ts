import { describe, expect, it } from 'vitest'
import type { ImportOutcome } from '../../move-ports.ts'
import type { ReplayRecord, StoredWebhook } from '../../webhook-ports.ts'
import {
  allPages,
  auditActions,
  newApiKey,
  newAuditEntry,
  newEvent,
  newHash,
  newReplay,
  newVersion,
  newWebhook,
  newWorkspace,
  pagesOf,
  query,
  type StoreHarness,
  savedWebhook,
} from './harness.ts'
import { eventIdAt } from './move-records.ts'

const all = (outcome: ImportOutcome, records: readonly unknown[]): ImportOutcome[] => records.map(() => outcome)

/** All of a workspace that comes from another store but its events and deliveries. */
export function movedSettingsSuite(open: () => Promise<StoreHarness>): void {
  describe('a workspace from another store', () => {
    it('has the use of its idempotency keys', async () => {
      const [source, target] = [await open(), await open()]
      const workspaceId = newWorkspace()
      const keyed = (key: string, content = 1) =>
        newEvent({
          metadata: JSON.stringify({ priority: 'normal', idempotency_key: key }),
          idempotency: { key, fingerprint: new Uint8Array(32).fill(content) },
        })
      const keys = ['order-1', 'Zoë 🚀', 'x'.repeat(1500)]
      for (const key of keys) await source.store.createEvents(workspaceId, [keyed(key)])
      await source.store.createEvents(newWorkspace(), [keyed('order-1', 3)])
      await source.settle()
      const events = await allPages(source.store, query(workspaceId))
      const pages = await pagesOf((after) => source.store.listIdempotencyKeys({ workspaceId, limit: 2, after }))
      const moved = pages.flatMap((page) => page.keys)
      expect(moved.map(({ key, eventId }) => [key, eventId])).toEqual(events.map(({ eventId }, n) => [keys[n], eventId]))
      expect(moved.every(({ expiresAtUs }, n) => expiresAtUs === (events[n]?.createdAtUs ?? 0) + 86_400_000_000)).toBe(true)

      target.clock.advance({ us: source.clock.nowUs() - target.clock.nowUs() })
      // Another workspace has a key of the same microsecond.
      const others = moved.map((one) => ({ ...one, key: 'other', eventId: eventIdAt(events[0]?.createdAtUs ?? 0) })).slice(0, 1)
      expect(await target.store.importIdempotencyKeys(newWorkspace(), others)).toEqual(['written'])
      expect(await target.store.importIdempotencyKeys(workspaceId, moved)).toEqual(all('written', moved))
      expect(await target.store.importIdempotencyKeys(workspaceId, moved)).toEqual(all('there', moved))
      await target.store.importEvents(workspaceId, events)
      for (const [n, key] of keys.entries()) {
        const { eventId, createdAtUs } = events[n] ?? {}
        expect(await target.store.createEvents(workspaceId, [keyed(key)])).toEqual([{ outcome: 'replayed', eventId, createdAtUs }])
        expect(await target.store.createEvents(workspaceId, [keyed(key, 2)])).toEqual([{ outcome: 'key_reused' }])
      }
      expect(await target.store.listIdempotencyKeys({ workspaceId, limit: 10 })).toEqual({ keys: moved, next: null })
      target.clock.advance({ hours: 24, seconds: 1 })
      expect(await target.store.createEvents(workspaceId, [keyed('order-1', 2)])).toMatchObject([{ outcome: 'created' }])
    })

    it('has its API keys as they were, found by the hashes that work, and no hash of two keys', async () => {
      const { store, clock } = await open()
      const workspaceId = newWorkspace()
      const [live, ended] = [newHash(), newHash()]
      const stored = (fields: Parameters<typeof newApiKey>[0] = {}) => ({
        ...newApiKey({ workspaceId, revision: 7, ...fields }),
        lastUsedAtUs: null,
      })
      const key = {
        ...stored({
          name: 'Zoë 🚀',
          versions: [
            newVersion({ version: 2, hash: live }),
            newVersion({ hash: ended, rotatedAtUs: 1_763_700_000_000_001, expiresAtUs: clock.nowUs() - 1 }),
          ],
          signingSecrets: [{ sealed: 'sealed-1', expiresAtUs: null }],
        }),
        lastUsedAtUs: 1_763_700_000_123_456,
      }
      const others = [stored(), stored({ revokedAtUs: 1_763_700_000_000_009 })]
      expect(await store.importApiKeys(workspaceId, [key, ...others])).toEqual(all('written', [key, ...others]))
      expect(await store.importApiKeys(workspaceId, [{ ...key, name: 'Another' }])).toEqual(['there'])
      expect(await store.getApiKey(key.keyId)).toEqual(key)
      expect(await store.findApiKeyByHash(live)).toEqual(key)
      expect(await store.findApiKeyByHash(ended)).toBeUndefined()
      const sameHash = stored({ versions: [newVersion({ hash: live })] })
      expect(await store.importApiKeys(workspaceId, [sameHash])).toEqual(['refused'])
      expect(await store.importApiKeys(newWorkspace(), [key])).toEqual(['refused'])
      const { apiKeys } = await store.listApiKeys({ workspaceId, limit: 10 })
      expect(apiKeys.map(({ keyId }) => keyId).sort()).toEqual([key, ...others].map(({ keyId }) => keyId).sort())
      expect(await store.saveApiKey({ ...key, name: 'Changed' }, null)).toBe('saved')
      expect(await store.getApiKey(key.keyId)).toMatchObject({ name: 'Changed', revision: 8, lastUsedAtUs: key.lastUsedAtUs })
    })

    it('has its webhooks as they were, and whoever follows them sees that there are others', async () => {
      const harness = await open()
      const { store } = harness
      const workspaceId = newWorkspace()
      const version = async () => (await store.readOutbox({ limit: 1, maxBytes: 1, interests: new Map() })).webhooksVersion
      const webhook = (fields: Partial<StoredWebhook> = {}): StoredWebhook => ({
        ...newWebhook({ workspaceId, revision: 4 }),
        createdAtUs: 1_763_700_000_000_000,
        failingSinceUs: null,
        alarmedAtUs: null,
        ...fields,
      })
      const first = webhook({
        headers: { names: ['X-Team'], sealed: 'sealed-headers' },
        filter: { source: ['shop'], metadata: { region: 'eu' }, payload: [{ path: '$.a', op: 'range', value: { gte: 1 } }] },
        failingSinceUs: 1_763_700_000_000_005,
        alarmedAtUs: 1_763_700_000_000_006,
      })
      // Of the same microsecond: none of them may be lost between two pages.
      const webhooks = [first, webhook(), webhook({ isActive: false, disabledAtUs: 5, disabledReason: 'gone' }), webhook(), webhook()]
      const before = await version()
      expect(await store.importWebhooks(workspaceId, webhooks)).toEqual(all('written', webhooks))
      expect(await version()).not.toBe(before)
      expect(await store.importWebhooks(workspaceId, [{ ...first, url: 'https://another.example' }])).toEqual(['there'])
      expect(await store.importWebhooks(newWorkspace(), [first])).toEqual(['refused'])
      for (const one of webhooks) expect(await store.getWebhook(one.webhookId)).toEqual(one)
      for (const scope of [{ workspaceId }, {}]) {
        const pages = await pagesOf((after) => store.listWebhooks({ ...scope, limit: 2, after }))
        const ids = pages
          .flatMap((page) => page.webhooks.filter((one) => one.workspaceId === workspaceId))
          .map(({ webhookId }) => webhookId)
        expect(ids.sort()).toEqual(webhooks.map(({ webhookId }) => webhookId).sort())
      }
      expect(await savedWebhook(store, { ...first, description: 'Changed' })).toMatchObject({ description: 'Changed', revision: 5 })
      expect(await store.deleteWebhook(first.webhookId, newAuditEntry(null))).toBe(true)
      expect(await store.importWebhooks(workspaceId, [first])).toEqual(['there'])
      expect(await store.getWebhook(first.webhookId)).toBeUndefined()
    })

    it('has its replays as they were, of the same microsecond too', async () => {
      const { store, clock } = await open()
      const webhook = await savedWebhook(store)
      const { workspaceId, webhookId } = webhook
      const createdAtUs = clock.nowUs() - 60_000_000
      const replay = (fields: Partial<ReplayRecord> = {}): ReplayRecord => ({
        ...newReplay(webhook),
        ...{
          status: 'completed',
          matched: 9,
          enqueued: 8,
          delivered: 5,
          dead: 2,
          cancelled: 1,
          position: '{"phase":"walked"}',
          isWalked: true,
        },
        createdAtUs,
        completedAtUs: createdAtUs + 5,
        ...fields,
      })
      const running = replay({
        status: 'running',
        isWalked: false,
        position: null,
        completedAtUs: null,
        delivered: 0,
        filter: { source: ['shop'] },
        selection: 'dead',
      })
      const walked = replay({ status: 'running', completedAtUs: null, delivered: 0 })
      const replays = [replay(), running, walked, replay({ status: 'failed' }), replay({ status: 'cancelled', position: null })]
      expect(await store.importReplays(workspaceId, replays)).toEqual(all('written', replays))
      expect(await store.importReplays(workspaceId, [{ ...replay(), replayId: running.replayId }])).toEqual(['there'])
      expect(await store.importReplays(newWorkspace(), [replay()])).toEqual(['refused'])
      expect(await store.importReplays(workspaceId, [replay({ webhookId: newReplay(newWebhook()).webhookId })])).toEqual(['refused'])
      for (const one of replays) expect(await store.getReplay(one.replayId)).toEqual(one)
      const pages = await pagesOf((after) => store.listReplays({ webhookId, limit: 2, after }))
      expect(pages.flatMap((page) => page.replays.map(({ replayId }) => replayId)).sort()).toEqual(
        replays.map(({ replayId }) => replayId).sort(),
      )
      const { replayIds } = await store.listRunningReplays({ limit: 100 })
      expect(replayIds.filter((id) => replays.some(({ replayId }) => replayId === id))).toEqual([running.replayId])
      expect(await store.endReplay(running.replayId, 'cancelled', null)).toBe(true)
    })

    it('has its audit log as it was, in its order, and goes on with it', async () => {
      const { store, clock, settle } = await open()
      const [mine, other] = [newWorkspace(), newWorkspace()]
      const us = clock.nowUs() - 3_600_000_000
      const entry = (at: number, action: string, workspaceId = mine) => ({
        ...newAuditEntry(workspaceId, {
          action,
          changes: { name: { from: null, to: 'Zoë 🚀' }, limit: { from: 1.5, to: [1, { a: null }] } },
          ip: '::1',
        }),
        entryId: eventIdAt(us + at),
        createdAtUs: us + at,
      })
      const theirs = [entry(3, 'other', other), entry(2, 'other', other), entry(1, 'other', other)]
      await store.importAuditEntries(other, theirs)
      const entries = [5, 4, 3, 3, 2, 1, 0].map((at, n) => entry(at, `made.${n}`)).sort((a, b) => (a.entryId > b.entryId ? -1 : 1))
      expect(await store.importAuditEntries(mine, entries)).toEqual(all('written', entries))
      expect(await store.importAuditEntries(mine, entries)).toEqual(all('there', entries))
      const pages = await pagesOf((after) => store.listAuditEntries({ workspaceId: mine, limit: 3, after }))
      expect(pages.flatMap((page) => page.entries)).toEqual(entries)
      expect((await store.listAuditEntries({ workspaceId: other, limit: 10 })).entries).toEqual(theirs)
      await store.appendAuditEntry(newAuditEntry(mine, { action: 'later' }))
      await settle()
      expect((await auditActions(store, mine))[0]).toBe('later')
    })

    it('makes the workspace, without a word in its log', async () => {
      const { store } = await open()
      const workspaceId = newWorkspace()
      await store.importWorkspace(workspaceId)
      await store.importWorkspace(workspaceId)
      expect(await store.hasWorkspace(workspaceId)).toBe(true)
      expect(await auditActions(store, workspaceId)).toEqual([])
    })
  })
}

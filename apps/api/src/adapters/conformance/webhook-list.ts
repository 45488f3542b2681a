import { beforeAll, describe, expect, it } from 'vitest'
import type { StoredWebhook } from '../../webhook-ports.ts'
import { anyUuid, newAuditEntry, newWebhook, newWorkspace, pagesOf, type StoreHarness, savedWebhook } from './harness.ts'

export function webhookListSuite(open: () => Promise<StoreHarness>): void {
  describe('listing webhooks', () => {
    let harness: StoreHarness
    const [mine, other] = [newWorkspace(), newWorkspace()]
    const made: StoredWebhook[] = []
    beforeAll(async () => {
      harness = await open()
      // A third in the other workspace, a quarter not active, and between them some that are gone.
      for (let n = 0; n < 48; n++) {
        const workspaceId = n % 3 === 0 ? other : mine
        made.unshift(await savedWebhook(harness.store, newWebhook({ workspaceId, isActive: n % 4 !== 0 })))
        if (n % 5 === 0) {
          const gone = await savedWebhook(harness.store, newWebhook({ workspaceId }))
          await harness.store.deleteWebhook(gone.webhookId, newAuditEntry(null))
        }
      }
      await harness.settle()
    })

    type Query = { workspaceId?: string | undefined; isActive?: boolean | undefined }
    const list = async (query: Query, limit: number, between?: () => Promise<void>): Promise<StoredWebhook[]> => {
      const pages = await pagesOf((after) => harness.store.listWebhooks({ ...query, limit, after }), between)
      for (const page of pages.slice(0, -1)) expect(page.webhooks).toHaveLength(limit)
      return pages.flatMap((page) => page.webhooks)
    }

    for (const [name, workspaceId] of [
      ['a workspace', mine],
      ['another', other],
      ['all of them', undefined],
    ] as const) {
      for (const isActive of [undefined, true, false]) {
        it(`gives the webhooks of ${name}, the newest first, page by page${isActive === undefined ? '' : `, those with isActive ${isActive}`}`, async () => {
          const expected = made.filter(
            (webhook) =>
              (workspaceId === undefined || webhook.workspaceId === workspaceId) &&
              (isActive === undefined || webhook.isActive === isActive),
          )
          expect(expected.length).toBeGreaterThan(3)
          for (const limit of [1, 3, expected.length - 1, expected.length, 100]) {
            expect(await list({ workspaceId, isActive }, limit)).toEqual(expected)
          }
          const full = await harness.store.listWebhooks({ workspaceId, isActive, limit: expected.length })
          expect(full.next).toBeNull()
        })
      }
    }

    it('is empty for an unknown workspace', async () => {
      expect(await harness.store.listWebhooks({ workspaceId: anyUuid(), limit: 10 })).toEqual({ webhooks: [], next: null })
    })

    it('shows each webhook that was there once, while others are made, changed and deleted', async () => {
      const { store, settle } = harness
      const workspaceId = newWorkspace()
      const there: StoredWebhook[] = []
      for (let n = 0; n < 12; n++) there.push(await savedWebhook(store, newWebhook({ workspaceId })))
      const passing = await savedWebhook(store, newWebhook({ workspaceId }))
      await settle()
      let changed = 0
      const listed = await list({ workspaceId }, 3, async () => {
        await savedWebhook(store, newWebhook({ workspaceId }))
        const one = there[changed++]
        if (one !== undefined) await savedWebhook(store, { ...one, description: 'Changed' })
        // Where the first page ended may be gone by the next.
        await store.deleteWebhook(passing.webhookId, newAuditEntry(null))
        await settle()
      })
      const ids = listed.map(({ webhookId }) => webhookId)
      expect(ids).toEqual([passing, ...there.reverse()].map(({ webhookId }) => webhookId))
    })
  })
}

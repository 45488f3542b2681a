import { beforeAll, describe, expect, it } from 'vitest'
import type { StoredApiKey } from '../../ports.ts'
import { newApiKey, newWorkspace, pagesOf, type StoreHarness } from './harness.ts'

const START_US = 1_763_700_000_000_000

export function apiKeyListSuite(open: () => Promise<StoreHarness>): void {
  describe('listing API keys', () => {
    let harness: StoreHarness
    const [mine, other] = [newWorkspace(), newWorkspace()]
    beforeAll(async () => {
      harness = await open()
      // Out of their order in time, four to each moment, a third in the other workspace.
      for (let n = 0; n < 60; n++) {
        const createdAtUs = START_US + (((n * 7) % 60) >> 2)
        const key = newApiKey({ workspaceId: n % 3 === 0 ? other : mine, createdAtUs, ...(n % 5 === 0 && { revokedAtUs: START_US }) })
        await harness.store.saveApiKey(key, null)
      }
      await harness.settle()
    })

    const list = async (workspaceId: string | undefined, limit: number, between?: () => Promise<void>): Promise<StoredApiKey[]> => {
      const pages = await pagesOf((after) => harness.store.listApiKeys({ workspaceId, limit, after }), between)
      for (const page of pages.slice(0, -1)) expect(page.apiKeys).toHaveLength(limit)
      return pages.flatMap((page) => page.apiKeys)
    }
    const timesOf = (keys: StoredApiKey[]) => keys.map((key) => key.createdAtUs)
    const newestFirst = (times: number[]) => [...times].sort((a, b) => b - a)

    for (const [name, workspaceId, count] of [
      ['a workspace', mine, 40],
      ['another', other, 20],
      ['all of them', undefined, 60],
    ] as const) {
      for (const limit of [1, 3, 7, count - 1, count]) {
        it(`gives each key of ${name} once, the newest first, revoked ones too, ${limit} a page`, async () => {
          const keys = await list(workspaceId, limit)
          expect(new Set(keys.map((key) => key.keyId)).size).toBe(count)
          expect(keys).toHaveLength(count)
          expect(timesOf(keys)).toEqual(newestFirst(timesOf(keys)))
          if (workspaceId !== undefined) expect(new Set(keys.map((key) => key.workspaceId))).toEqual(new Set([workspaceId]))
          expect(keys.some((key) => key.revokedAtUs !== null)).toBe(true)
        })
      }
    }

    it('gives keys as they are read one by one', async () => {
      const [first] = await list(mine, 50)
      expect(await harness.store.getApiKey(first?.keyId ?? '')).toEqual(first)
    })

    it('ends without a cursor exactly when there is no more, and is empty for an unknown workspace', async () => {
      const { store } = harness
      expect((await store.listApiKeys({ workspaceId: other, limit: 19 })).next).not.toBeNull()
      expect((await store.listApiKeys({ workspaceId: other, limit: 20 })).next).toBeNull()
      expect(await store.listApiKeys({ workspaceId: newWorkspace(), limit: 20 })).toEqual({ apiKeys: [], next: null })
    })

    it('shows each key that was there once, while others are made and changed', async () => {
      const { store, settle } = harness
      const workspaceId = newWorkspace()
      const there = new Set<string>()
      for (let n = 0; n < 20; n++) {
        const key = newApiKey({ workspaceId, createdAtUs: START_US + (n >> 2) })
        there.add(key.keyId)
        await store.saveApiKey(key, null)
      }
      await settle()
      let changed = 0
      const listed = await list(workspaceId, 3, async () => {
        await Promise.all([
          store.saveApiKey(newApiKey({ workspaceId, createdAtUs: START_US + 9 }), null),
          store.saveApiKey(newApiKey({ workspaceId, createdAtUs: START_US + 2 }), null),
        ])
        const one = await store.getApiKey([...there][changed++] ?? '')
        if (one !== undefined) await store.saveApiKey({ ...one, name: 'Changed', revokedAtUs: START_US }, null)
        await settle()
      })
      const ids = listed.map((key) => key.keyId)
      expect(new Set(ids).size).toBe(ids.length)
      expect(ids.filter((id) => there.has(id))).toHaveLength(20)
      expect(timesOf(listed)).toEqual(newestFirst(timesOf(listed)))
    })
  })
}

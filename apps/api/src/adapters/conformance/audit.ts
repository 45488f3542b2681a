import { beforeAll, describe, expect, it } from 'vitest'
import type { AuditEntry, AuditQuery } from '../../ports.ts'
import { fiftyTimes, newAuditEntry, newWorkspace, pagesOf, type StoreHarness } from './harness.ts'

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

export function auditSuite(open: () => Promise<StoreHarness>): void {
  describe('the audit log', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    const list = async (query: Omit<AuditQuery, 'limit' | 'after'>, limit = 100, between?: () => Promise<void>): Promise<AuditEntry[]> => {
      const pages = await pagesOf((after) => harness.store.listAuditEntries({ ...query, limit, after }), between)
      for (const page of pages.slice(0, -1)) expect(page.entries).toHaveLength(limit)
      return pages.flatMap((page) => page.entries)
    }

    it('gives an entry back as it was appended, with an id and a time', async () => {
      const { store, clock, settle } = harness
      const workspaceId = newWorkspace()
      const entry = newAuditEntry(workspaceId, {
        action: 'api_key.updated',
        actor: { type: 'api_key', keyId: 'key_1' },
        target: { type: 'api_key', id: 'key_2' },
        changes: {
          name: { from: 'Zoë 🚀', to: null },
          allowed_ips: { from: [], to: ['::1'] },
          rate_limit_per_minute: { from: 0, to: 1.5 },
        },
        ip: '192.0.2.1',
        requestId: 'r-1',
      })
      await store.appendAuditEntry(newAuditEntry(workspaceId))
      clock.advance({ hours: 1 })
      await store.appendAuditEntry(entry)
      await settle()
      const [read] = await list({ workspaceId })
      expect(read).toEqual({ ...entry, entryId: expect.stringMatching(UUID_V7), createdAtUs: expect.any(Number) })
      expect(Math.abs((read?.createdAtUs ?? 0) - clock.nowUs())).toBeLessThan(60e6)
    })

    it('keeps one order: the newest first, by time and by id, also when the clock stands or steps back', async () => {
      const { store, clock, settle } = harness
      const workspaceId = newWorkspace()
      const append = (action: string) => store.appendAuditEntry(newAuditEntry(workspaceId, { action }))
      await append('first')
      clock.advance({ hours: -2 })
      await append('second')
      await fiftyTimes((n) => append(`at-once.${n}`))
      clock.advance({ hours: 2 })
      await append('last')
      await settle()
      const entries = await list({ workspaceId })
      expect(entries).toHaveLength(53)
      expect(entries[0]?.action).toBe('last')
      expect(entries.slice(-2).map((entry) => entry.action)).toEqual(['second', 'first'])
      const ids = entries.map((entry) => entry.entryId)
      expect(ids).toEqual([...new Set(ids)].sort().reverse())
      const times = entries.map((entry) => entry.createdAtUs)
      expect(times).toEqual([...times].sort((a, b) => b - a))
    })

    it("gives just the matches, page by page, of a workspace or of the whole installation, never another's", async () => {
      const { store, clock, settle } = harness
      const [mine, other] = [newWorkspace(), newWorkspace()]
      const before = await list({ workspaceId: null })
      for (let n = 0; n < 60; n++) {
        clock.advance({ us: 10 })
        const workspaceId = [mine, other, null][n % 3] ?? null
        await store.appendAuditEntry(newAuditEntry(workspaceId, { action: n % 4 === 0 ? 'rare' : 'common', requestId: `r-${n}` }))
      }
      await settle()
      for (const workspaceId of [mine, other, null]) {
        const all = (await list({ workspaceId })).filter(({ entryId }) => !before.some((earlier) => earlier.entryId === entryId))
        expect(all.map((entry) => entry.requestId)).toEqual(
          Array.from({ length: 20 }, (_, n) => `r-${3 * (19 - n) + [mine, other, null].indexOf(workspaceId)}`),
        )
        expect(new Set(all.map((entry) => entry.workspaceId))).toEqual(new Set([workspaceId]))
        const [high, low] = [all[4]?.createdAtUs, all[15]?.createdAtUs]
        const filters: Omit<AuditQuery, 'workspaceId' | 'limit'>[] = [
          { createdAfterUs: all.at(-1)?.createdAtUs },
          { createdAfterUs: low },
          { createdBeforeUs: high, createdAfterUs: low },
          { action: 'rare', createdAfterUs: all.at(-1)?.createdAtUs },
          { action: 'common', createdAfterUs: low },
          { action: 'rare', createdAfterUs: low, createdBeforeUs: high },
          { action: 'never' },
          { createdAfterUs: high, createdBeforeUs: low },
        ]
        for (const filter of filters) {
          const expected = all.filter(
            (entry) =>
              (filter.action === undefined || entry.action === filter.action) &&
              entry.createdAtUs >= (filter.createdAfterUs ?? 0) &&
              entry.createdAtUs <= (filter.createdBeforeUs ?? Number.POSITIVE_INFINITY),
          )
          for (const limit of [1, 3, 20]) expect(await list({ workspaceId, ...filter }, limit), JSON.stringify(filter)).toEqual(expected)
        }
      }
      expect(await store.listAuditEntries({ workspaceId: newWorkspace(), limit: 10 })).toEqual({ entries: [], next: null })
    })

    it('ends without a cursor exactly when there is no more', async () => {
      const { store, settle } = harness
      const workspaceId = newWorkspace()
      for (let n = 0; n < 5; n++) await store.appendAuditEntry(newAuditEntry(workspaceId))
      await settle()
      expect((await store.listAuditEntries({ workspaceId, limit: 4 })).next).not.toBeNull()
      expect((await store.listAuditEntries({ workspaceId, limit: 5 })).next).toBeNull()
      expect((await store.listAuditEntries({ workspaceId, action: 'suite.ran', limit: 5 })).next).toBeNull()
    })

    it('shows each entry that was there once, while others are appended', async () => {
      const { store, settle } = harness
      const workspaceId = newWorkspace()
      for (let n = 0; n < 12; n++) await store.appendAuditEntry(newAuditEntry(workspaceId, { action: `there.${n}` }))
      await settle()
      const listed = await list({ workspaceId }, 5, async () => {
        await fiftyTimes(() => store.appendAuditEntry(newAuditEntry(workspaceId, { action: 'later' })))
        await settle()
      })
      expect(listed.map((entry) => entry.action)).toEqual(Array.from({ length: 12 }, (_, n) => `there.${11 - n}`))
    })

    it('keeps its entries when it is opened again, and goes on behind them', async () => {
      const { store, reopen, settle } = harness
      const workspaceId = newWorkspace()
      await store.appendAuditEntry(newAuditEntry(workspaceId, { action: 'before' }))
      // Between processes the order may be that of their clocks, and this one stands.
      await settle()
      const again = await reopen()
      await again.appendAuditEntry(newAuditEntry(workspaceId, { action: 'after' }))
      await settle()
      const { entries } = await again.listAuditEntries({ workspaceId, limit: 10 })
      expect(entries.map((entry) => entry.action)).toEqual(['after', 'before'])
      expect(await list({ workspaceId })).toEqual(entries)
      await again.close()
    })
  })
}

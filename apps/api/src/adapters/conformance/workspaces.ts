import { beforeAll, describe, expect, it } from 'vitest'
import {
  auditActions,
  fiftyTimes,
  newApiKey,
  newAuditEntry,
  newEvent,
  newVersion,
  newWorkspace,
  pagesOf,
  type StoreHarness,
} from './harness.ts'

export function workspaceSuite(open: () => Promise<StoreHarness>): void {
  describe('workspaces', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    it('makes one once, with its audit entry', async () => {
      const { store, settle } = harness
      const workspace = newWorkspace()
      const create = () => store.createWorkspace(workspace, newAuditEntry(workspace, { action: 'workspace.created' }))
      expect(await store.hasWorkspace(workspace)).toBe(false)
      expect(await create()).toBe(true)
      expect(await create()).toBe(false)
      expect(await store.hasWorkspace(workspace)).toBe(true)
      await settle()
      expect(await auditActions(store, workspace)).toEqual(['workspace.created'])
    })

    it('lets one of fifty that make the same at once win', async () => {
      const { store, settle } = harness
      const workspace = newWorkspace()
      const made = await fiftyTimes((n) => store.createWorkspace(workspace, newAuditEntry(workspace, { action: `by.${n}` })))
      expect(made.filter((won) => won)).toHaveLength(1)
      await settle()
      expect(await auditActions(store, workspace)).toEqual([`by.${made.indexOf(true)}`])
    })

    it('has what anything was ever stored in, and does not make it again', async () => {
      const { store, settle } = harness
      const [byEvent, byKey] = [newWorkspace(), newWorkspace()]
      const [created] = await store.createEvents(byEvent, [newEvent()])
      await store.deleteEvents(byEvent, [created && 'eventId' in created ? created.eventId : ''])
      await store.saveApiKey(newApiKey({ workspaceId: byKey }), null)
      await settle()
      for (const workspace of [byEvent, byKey]) {
        expect(await store.hasWorkspace(workspace)).toBe(true)
        expect(await store.createWorkspace(workspace, newAuditEntry(workspace))).toBe(false)
        expect(await auditActions(store, workspace)).toEqual([])
      }
    })

    it('is not made by reads, nor by a key that could not be saved', async () => {
      const { store } = harness
      const workspace = newWorkspace()
      const other = newApiKey()
      await store.saveApiKey(other, null)
      await store.createEvents(newWorkspace(), [newEvent()])
      await store.listApiKeys({ workspaceId: workspace, limit: 10 })
      await store.listAuditEntries({ workspaceId: workspace, limit: 10 })
      await store.ackEvents(workspace, ['019aa56d-6000-7000-98ac-5a6889b9f2de'])
      const [version = newVersion()] = other.versions
      expect(await store.saveApiKey(newApiKey({ workspaceId: workspace, versions: [version] }), null)).toBe('hash_taken')
      expect(await store.saveApiKey(newApiKey({ workspaceId: workspace, revision: 1 }), null)).toBe('changed')
      expect(await store.hasWorkspace(workspace)).toBe(false)
    })

    it('lists them by name, page by page, while others are made', async () => {
      const { store, settle } = await open()
      const names = ['b', 'a.1', 'a', 'zz', 'c_3', 'c-2', 'default']
      for (const name of names) await store.createWorkspace(name, newAuditEntry(null))
      await settle()
      const sorted = [...names].sort()
      expect(await store.listWorkspaces({ limit: 7 })).toEqual({ workspaceIds: sorted, next: null })
      let made = 0
      const pages = await pagesOf(
        (after) => store.listWorkspaces({ limit: 2, after }),
        async () => {
          await store.createWorkspace(made++ === 0 ? 'a.0' : `later-${made}`, newAuditEntry(null))
          await settle()
        },
      )
      const listed = pages.flatMap((page) => page.workspaceIds)
      expect(listed.filter((name) => names.includes(name))).toEqual(sorted)
      expect(listed).toEqual([...new Set(listed)].sort())
      expect(pages.slice(0, -1).map((page) => page.workspaceIds.length)).toEqual(pages.slice(0, -1).map(() => 2))
    })

    it('keeps them when it is opened again', async () => {
      const workspace = newWorkspace()
      await harness.store.createWorkspace(workspace, newAuditEntry(workspace))
      const again = await harness.reopen()
      expect(await again.hasWorkspace(workspace)).toBe(true)
      const there = newWorkspace()
      await again.createWorkspace(there, newAuditEntry(there))
      expect(await harness.store.createWorkspace(there, newAuditEntry(there))).toBe(false)
      await again.close()
    })
  })
}

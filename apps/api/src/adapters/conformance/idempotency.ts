import { beforeAll, describe, expect, it } from 'vitest'
import type { NewEvent } from '../../ports.ts'
import { newEvent, newWorkspace, query, type StoreHarness } from './harness.ts'

const withKey = (key: string, content = 1, fields: Partial<NewEvent> = {}): NewEvent =>
  newEvent({ ...fields, idempotency: { key, fingerprint: new Uint8Array(32).fill(content) } })

export function idempotencySuite(open: () => Promise<StoreHarness>): void {
  describe('idempotency keys', () => {
    let harness: StoreHarness
    beforeAll(async () => {
      harness = await open()
    })

    it('answers the same content as the first time, other content with a refusal', async () => {
      const { store, settle } = harness
      const workspace = newWorkspace()
      const [first] = await store.createEvents(workspace, [withKey('k')])
      const [again] = await store.createEvents(workspace, [withKey('k')])
      expect(again).toEqual({ ...first, outcome: 'replayed' })
      expect(await store.createEvents(workspace, [withKey('k', 2)])).toEqual([{ outcome: 'key_reused' }])
      await settle()
      expect((await store.listEvents(query(workspace))).events).toHaveLength(1)
    })

    it('keeps the keys of workspaces apart', async () => {
      const { store } = harness
      const key = 'shared'
      expect(await store.createEvents(newWorkspace(), [withKey(key)])).toMatchObject([{ outcome: 'created' }])
      expect(await store.createEvents(newWorkspace(), [withKey(key)])).toMatchObject([{ outcome: 'created' }])
    })

    it('makes one event of fifty creates at once', async () => {
      const { store, settle } = harness
      const workspace = newWorkspace()
      const results = (await Promise.all(Array.from({ length: 50 }, () => store.createEvents(workspace, [withKey('k')])))).flat()
      expect(results.filter((result) => result.outcome === 'created')).toHaveLength(1)
      expect(results.filter((result) => result.outcome === 'replayed')).toHaveLength(49)
      expect(new Set(results.map((result) => 'eventId' in result && result.eventId)).size).toBe(1)
      await settle()
      expect((await store.listEvents(query(workspace))).events).toHaveLength(1)
    })

    it('holds inside one call', async () => {
      const { store } = harness
      const results = await store.createEvents(newWorkspace(), [withKey('a'), withKey('a'), withKey('a', 2), withKey('b')])
      expect(results.map((result) => result.outcome)).toEqual(['created', 'replayed', 'key_reused', 'created'])
    })

    it('still answers when the event is acknowledged or deleted', async () => {
      const { store } = harness
      const workspace = newWorkspace()
      const [first] = await store.createEvents(workspace, [withKey('k')])
      const id = first && 'eventId' in first ? first.eventId : ''
      await store.ackEvents(workspace, [id])
      expect(await store.createEvents(workspace, [withKey('k')])).toEqual([{ ...first, outcome: 'replayed' }])
      await store.deleteEvents(workspace, [id])
      expect(await store.createEvents(workspace, [withKey('k')])).toEqual([{ ...first, outcome: 'replayed' }])
    })

    it('frees a key 24 hours after its first use, swept or not', async () => {
      const { store, clock } = harness
      const workspace = newWorkspace()
      await store.createEvents(workspace, [withKey('swept'), withKey('not-swept')])
      clock.advance({ hours: 23, seconds: 3500 })
      expect(await store.createEvents(workspace, [withKey('swept'), withKey('not-swept')])).toMatchObject([
        { outcome: 'replayed' },
        { outcome: 'replayed' },
      ])
      clock.advance({ seconds: 200 })
      expect(await store.createEvents(workspace, [withKey('not-swept', 2)])).toMatchObject([{ outcome: 'created' }])
      while (await store.sweep(10)) {}
      expect(await store.createEvents(workspace, [withKey('swept', 2)])).toMatchObject([{ outcome: 'created' }])
      expect(await store.createEvents(workspace, [withKey('not-swept', 2)])).toMatchObject([{ outcome: 'replayed' }])
    })
  })
}

import { afterEach, expect, it, vi } from 'vitest'
import { withIdempotencyKey } from '../src/idempotency.ts'
import { environment, newUuid, runtimeName } from '../src/platform.ts'

afterEach(() => vi.unstubAllGlobals())

it('makes UUIDs of version 4, also where crypto has no randomUUID', () => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
  expect(newUuid()).toMatch(uuid)
  vi.stubGlobal('crypto', { getRandomValues: (bytes: Uint8Array) => bytes.fill(0xff) })
  expect(newUuid()).toBe('ffffffff-ffff-4fff-bfff-ffffffffffff')
  expect(newUuid()).toMatch(uuid)
})

it('finds no environment and no name where there is no process', () => {
  expect(runtimeName()).toMatch(/^node\/\d/)
  vi.stubGlobal('process', undefined)
  expect(runtimeName()).toBeUndefined()
  expect(environment('PATH')).toBeUndefined()
})

it('leaves metadata that is none to the server', () => {
  // What only a caller without types can do.
  const event = { source: 's', event_type: 't', payload: {}, metadata: 'text' } as unknown as Parameters<typeof withIdempotencyKey>[0]
  expect(withIdempotencyKey(event)).toBe(event)
})

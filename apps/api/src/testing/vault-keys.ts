import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { expect } from 'vitest'
import type { MasterKey } from '../domain/vault.ts'
import type { AccessStore } from '../ports.ts'

export const masterKey = (id: string): MasterKey => ({ id, key: randomBytes(32) })

/** What the error says; fails when there is none. */
export async function messageOf(attempt: () => unknown): Promise<string> {
  try {
    await attempt()
  } catch (error) {
    expect(error).toBeInstanceOf(Error)
    return inspect(error)
  }
  return expect.fail('nothing was thrown')
}

/** That no spelling of the key, nor of half of it, is in the text. */
export function expectNoneOf(shown: string, ...keys: Uint8Array[]): void {
  for (const key of keys) {
    const bytes = Buffer.from(key)
    const half = bytes.subarray(0, 15)
    const spellings = [
      half.toString('hex'),
      half.toString('base64'),
      half.toString('base64url'),
      half.toString('latin1'),
      [...half].join(','),
    ]
    const compact = shown.replaceAll(/\s/g, '')
    for (const spelling of spellings) expect(compact).not.toContain(spelling.replaceAll(/\s/g, ''))
  }
}

export async function dataKeyOf(store: AccessStore, name: string): Promise<Uint8Array> {
  const found = (await store.listDataKeys()).find((entry) => entry.name === name)
  return found?.key ?? expect.fail(`no data key ${name}`)
}

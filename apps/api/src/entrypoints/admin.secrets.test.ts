import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { newMasterKey } from '../adapters/key-file.ts'
import { adminJson, depsOn, runAdmin } from '../testing/admin-process.ts'
import { storedContent } from '../testing/server-store.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

const masterKey = (id: string) => `${id}:${randomBytes(32).toString('base64')}`

describe('changing the encryption key', () => {
  const signedKey = ['create-key', '--workspace', 'default', '--name', 'a', '--require-signature']

  it('of ENCRYPTION_KEY puts all under the first of its keys, so that the others can go', async () => {
    const directory = temporaryDirectory()
    const [old, next] = [masterKey('old'), masterKey('next')]
    const under = (keys: string) => ({ DATA_DIR: directory, AUTH_MODE: 'keys', ENCRYPTION_KEY: keys })
    const made = await adminJson(under(old), signedKey)
    expect(await adminJson(under(`${next},${old}`), ['change-encryption-key'])).toEqual({
      encryption_key_id: 'next',
      changed: true,
      resealed_api_keys: 1,
      resealed_webhooks: 0,
      rewrapped_data_keys: 3,
      removed_data_keys: 0,
      next: 'Now take old out of ENCRYPTION_KEY, and restart the servers. Backups made before need the old key.',
    })
    expect(await adminJson(under(next), ['change-encryption-key'])).toMatchObject({ encryption_key_id: 'next', changed: false })
    const deps = await depsOn(under(next))
    expect(await deps.keys.authenticate(made.api_key)).toMatchObject({
      outcome: 'known',
      principal: { keyId: made.key_id, signingSecrets: [{ secret: made.signing_secret }] },
    })
    const withOld = await runAdmin(under(old), ['list-keys'])
    expect(withOld).toMatchObject({ code: 1, stdout: '' })
    expect(withOld.stderr).toMatch(/^ENCRYPTION_KEY has no key named next[^\n]+\n$/)
    expect((await adminJson(under(next), ['list-audit-log'])).entries).toMatchObject([
      {
        action: 'encryption_key.changed',
        actor: { type: 'operator', key_id: null },
        changes: { encryption_key: { from: 'old', to: 'next' } },
      },
    ])
    expect(readdirSync(directory)).not.toContain('encryption.key')
  })

  it('of the key file makes the new one itself, and drops the old one', async () => {
    const environment = { DATA_DIR: temporaryDirectory() }
    const path = join(environment.DATA_DIR, 'encryption.key')
    const made = await adminJson(environment, signedKey)
    const before = readFileSync(path, 'utf8').trim()
    const changed = await adminJson(environment, ['change-encryption-key'])
    const after = readFileSync(path, 'utf8').trim()
    expect(after).toMatch(new RegExp(`^${changed.encryption_key_id}:[A-Za-z0-9+/]{43}=$`))
    expect(after).not.toBe(before)
    expect((await storedContent(environment.DATA_DIR)).includes(before.split(':')[1] ?? '')).toBe(false)
    const deps = await depsOn(environment)
    expect(await deps.keys.authenticate(made.api_key)).toMatchObject({ principal: { signingSecrets: [{ secret: made.signing_secret }] } })
  })

  it('of the key file goes on with the new key that an interrupted run has made', async () => {
    const environment = { DATA_DIR: temporaryDirectory() }
    const path = join(environment.DATA_DIR, 'encryption.key')
    const made = await adminJson(environment, signedKey)
    const next = newMasterKey()
    writeFileSync(path, `${next},${readFileSync(path, 'utf8')}`)
    const { code, stdout } = await runAdmin(environment, ['change-encryption-key'])
    expect(code).toBe(0)
    expect(stdout).toContain(`Everything is encrypted with the key ${next.split(':')[0]}: 1 API keys`)
    expect(readFileSync(path, 'utf8').trim()).toBe(next)
    const deps = await depsOn(environment)
    expect(await deps.keys.authenticate(made.api_key)).toMatchObject({ principal: { signingSecrets: [{ secret: made.signing_secret }] } })
  })

  it('is refused where there is no key file, and makes none', async () => {
    const directory = temporaryDirectory()
    const { code, stdout, stderr } = await runAdmin({ DATA_DIR: directory }, ['change-encryption-key'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe(`There is no encryption.key in ${directory}. Set DATA_DIR, or ENCRYPTION_KEY, as the server has them.\n`)
    expect(readdirSync(directory)).toEqual([])
  })
})

describe('importing keys', () => {
  const FILE = [
    { api_key: 'canary-api-key-9e107d9d', name: 'Shop', workspace_id: 'shop', signing_secret: 'canary-signing-e4d909c2' },
    { api_key: 'canary-api-key-372bb682', scopes: ['events:read'] },
  ]

  it('takes a file or standard input, skips what is there, and leaves no secret anywhere', async () => {
    const environment = { DATA_DIR: temporaryDirectory() }
    const file = join(temporaryDirectory(), 'keys.json')
    writeFileSync(file, JSON.stringify(FILE))
    const first = await runAdmin(environment, ['import-keys', file, '--json'])
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(first.stdout)).toMatchObject({
      imported: 2,
      skipped: 0,
      api_keys: [
        { workspace_id: 'shop', name: 'Shop', outcome: 'imported' },
        { workspace_id: 'default', name: 'Imported key 2', outcome: 'imported' },
      ],
    })
    const again = await runAdmin(environment, ['import-keys', '-'], JSON.stringify([...FILE, { api_key: 'canary-api-key-4a8a08f0' }]))
    expect(again).toMatchObject({ code: 0, stderr: '' })
    expect(again.stdout).toContain('1 imported, 2 skipped')
    const { keys } = await depsOn(environment)
    expect(await keys.authenticate('canary-api-key-9e107d9d')).toMatchObject({
      outcome: 'known',
      principal: { workspaceId: 'shop', signingSecrets: [{ secret: 'canary-signing-e4d909c2' }] },
    })
    const log = await runAdmin(environment, ['list-audit-log', '--workspace', 'shop'])
    expect(log.stdout).toContain('api_key.imported')
    const stored = await storedContent(environment.DATA_DIR)
    expect(stored.includes('Imported key 2')).toBe(true)
    for (const text of [stored, first.stdout, again.stdout, log.stdout]) {
      expect(text.includes('canary')).toBe(false)
      expect(text.includes(Buffer.from('canary').toString('base64'))).toBe(false)
    }
  })

  it('names every problem by its place, shows no value, and writes nothing', async () => {
    const environment = { DATA_DIR: temporaryDirectory() }
    const wrong = [...FILE, { api_key: 'canary', scopes: ['canary'] }, { 'canary-api-key-4a8a08f0': 1 }]
    const { code, stdout, stderr } = await runAdmin(environment, ['import-keys', '-', '--json'], JSON.stringify(wrong))
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^Nothing was imported\. Correct the file:\n( {2}index \d.*\n)+$/)
    for (const place of ['index 2, api_key: ', 'index 2, scopes[0]: ', 'index 3, api_key: ', 'index 3: ']) expect(stderr).toContain(place)
    expect(stderr).not.toContain('canary')
    expect(await adminJson(environment, ['list-keys'])).toEqual({ api_keys: [] })
    expect(await adminJson(environment, ['list-workspaces'])).toEqual({ workspaces: [] })
  })

  it('says in one line that it cannot read the file', async () => {
    const directory = temporaryDirectory()
    const { code, stdout, stderr } = await runAdmin({ DATA_DIR: directory }, ['import-keys', join(directory, 'missing.json')])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^The file of keys cannot be read \(ENOENT[^\n]+\n$/)
  })
})

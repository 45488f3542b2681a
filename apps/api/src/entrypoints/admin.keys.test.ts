import { describe, expect, it } from 'vitest'
import type { Deps } from '../deps.ts'
import { SCOPES } from '../ports.ts'
import { adminJson, depsOn, runAdmin } from '../testing/admin-process.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

const SECRET = /^trg_[0-9A-Za-z]{38}$/
const DAY_US = 86_400_000_000

/** Makes keys, each with a secret of that age. */
async function saveKeys(deps: Deps, keys: readonly { name: string; days: number; revoked?: true; expired?: true }[]): Promise<void> {
  const nowUs = deps.clock.nowUs()
  for (const { name, days, revoked, expired } of keys) {
    const createdAtUs = nowUs - days * DAY_US
    const record = {
      keyId: `key_${name}`,
      workspaceId: 'shop',
      name,
      scopes: SCOPES,
      rateLimitPerMinute: null,
      allowedIps: [],
      requireSignature: false,
      signingSecrets: [],
      versions: [{ version: 1, hash: deps.vault.hash(`secret of ${name}`), createdAtUs, rotatedAtUs: null, expiresAtUs: null }],
      createdAtUs,
      expiresAtUs: expired ? nowUs - 1 : null,
      revokedAtUs: revoked ? nowUs - 1 : null,
      revision: 0,
    }
    expect(await deps.store.saveApiKey(record, null)).toBe('saved')
  }
}

describe('workspaces', () => {
  it('are made, found there, and listed by their ids', async () => {
    const environment = { DATA_DIR: temporaryDirectory() }
    expect(await adminJson(environment, ['list-workspaces'])).toEqual({ workspaces: [] })
    expect(await adminJson(environment, ['create-workspace', 'shop'])).toEqual({ workspace_id: 'shop', created: true })
    expect(await adminJson(environment, ['create-workspace', 'shop'])).toEqual({ workspace_id: 'shop', created: false })
    const made = await runAdmin(environment, ['create-workspace', 'office'])
    expect(made).toEqual({ code: 0, stdout: 'The workspace office is made.\n', stderr: '' })
    expect(await adminJson(environment, ['list-workspaces'])).toEqual({
      workspaces: [{ workspace_id: 'office' }, { workspace_id: 'shop' }],
    })
    expect((await runAdmin(environment, ['list-workspaces'])).stdout).toBe('office\nshop\n')
    const { entries } = await adminJson(environment, ['list-audit-log', '--workspace', 'shop'])
    expect(entries).toMatchObject([{ action: 'workspace.created', target: { type: 'workspace', id: 'shop' }, actor: { type: 'operator' } }])
  })
})

describe('an API key', () => {
  it('is made with what it is told, works, and shows its secrets only then', async () => {
    const environment = { DATA_DIR: temporaryDirectory(), RATE_LIMIT_PER_MINUTE: '77' }
    await adminJson(environment, ['create-workspace', 'shop'])
    const bounds = ['--rate-limit', '60', '--allowed-ips', '10.1.2.3/8,192.0.2.1', '--expires-at', '2200-01-01', '--require-signature']
    const made = await adminJson(environment, [
      'create-key',
      '--workspace',
      'shop',
      '--name',
      ' Till 1 ',
      '--scopes',
      'events:write',
      ...bounds,
    ])
    expect(made).toMatchObject({
      name: 'Till 1',
      workspace_id: 'shop',
      scopes: ['events:write'],
      rate_limit_per_minute: 60,
      allowed_ips: ['10.0.0.0/8', '192.0.2.1'],
      require_signature: true,
      has_signing_secret: true,
      expires_at: '2200-01-01T00:00:00.000000Z',
      api_key: expect.stringMatching(SECRET),
      signing_secret: expect.stringMatching(/^sign_/),
    })
    const plain = await runAdmin(environment, ['create-key', '--workspace', 'default', '--name', 'first'])
    expect(plain).toMatchObject({ code: 0, stderr: '' })
    const [, secret = ''] = /^API key: (\S+)$/m.exec(plain.stdout) ?? []

    const { keys } = await depsOn(environment)
    expect(await keys.authenticate(made.api_key)).toMatchObject({
      outcome: 'known',
      principal: { keyId: made.key_id, workspaceId: 'shop', scopes: ['events:write'], signingSecrets: [{ secret: made.signing_secret }] },
    })
    expect(await keys.authenticate(secret)).toMatchObject({
      outcome: 'known',
      principal: { workspaceId: 'default', scopes: SCOPES, rateLimitPerMinute: 77 },
    })

    const { api_keys } = await adminJson(environment, ['list-keys'])
    expect(api_keys.map(({ name }: { name: string }) => name)).toEqual(['first', 'Till 1'])
    const { api_key: _, signing_secret: __, ...shown } = made
    expect(api_keys[1]).toEqual(shown)
    expect(await adminJson(environment, ['list-keys', '--workspace', 'shop'])).toEqual({ api_keys: [shown] })
    const listed = await runAdmin(environment, ['list-keys'])
    const log = await runAdmin(environment, ['list-audit-log', '--workspace', 'shop', '--json'])
    for (const shownSecret of [made.api_key, made.signing_secret, secret]) expect(listed.stdout + log.stdout).not.toContain(shownSecret)
    expect(listed.stdout).toContain(`${made.key_id}  active   shop  Till 1  never used\n`)
  })

  it('is not made in a workspace that is not there, which may be misspelt', async () => {
    const environment = { DATA_DIR: temporaryDirectory() }
    const { code, stdout, stderr } = await runAdmin(environment, ['create-key', '--workspace', 'shpo', '--name', 'a'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^There is no workspace shpo\. Make it with `pnpm admin create-workspace shpo`[^\n]*\n$/)
    for (const command of ['list-keys', 'list-audit-log']) {
      expect(await runAdmin(environment, [command, '--workspace', 'shpo'])).toMatchObject({ code: 1, stderr })
    }
    expect(await adminJson(environment, ['list-workspaces'])).toEqual({ workspaces: [] })
  })

  it('is not made with an end in the past', async () => {
    const words = ['create-key', '--workspace', 'default', '--name', 'a', '--expires-at', '2020-01-01']
    const { code, stdout, stderr } = await runAdmin({ DATA_DIR: temporaryDirectory() }, words)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^expires_at: must be after [^\n]+\n$/)
  })

  it('is rotated with an overlap, or without one, and revoked for good', async () => {
    const environment = { DATA_DIR: temporaryDirectory() }
    const made = await adminJson(environment, ['create-key', '--workspace', 'default', '--name', 'a'])
    const { key_id } = made
    const second = await adminJson(environment, ['rotate-key', key_id, '--transition-days', '2'])
    expect(second).toEqual({
      key_id,
      api_key: expect.stringMatching(SECRET),
      version: 2,
      previous_version: 1,
      rotated_at: expect.any(String),
      expires_at: expect.any(String),
    })
    expect(Date.parse(second.expires_at) - Date.parse(second.rotated_at)).toBe(2 * 86_400_000)
    const deps = await depsOn(environment)
    const outcomeOf = async (secret: string) => (await deps.keys.authenticate(secret)).outcome
    expect([await outcomeOf(made.api_key), await outcomeOf(second.api_key)]).toEqual(['known', 'known'])

    const third = await runAdmin(environment, ['rotate-key', key_id, '--revoke-previous'])
    expect(third.stdout).toMatch(
      new RegExp(`^The key ${key_id} has version 3, .* the former one has stopped to work\\.\\nAPI key: trg_\\S+\\n$`),
    )
    deps.keys.forget(key_id)
    expect([await outcomeOf(made.api_key), await outcomeOf(second.api_key)]).not.toContain('known')

    expect(await adminJson(environment, ['revoke-key', key_id])).toMatchObject({ key_id, revoked_at: expect.any(String) })
    expect(await runAdmin(environment, ['revoke-key', key_id])).toMatchObject({ code: 0, stderr: '' })
    expect((await runAdmin(environment, ['list-keys'])).stdout).toContain(`${key_id}  revoked`)
    const again = await runAdmin(environment, ['rotate-key', key_id])
    expect(again).toMatchObject({ code: 1, stdout: '' })
    expect(again.stderr).toMatch(/^The API key is revoked\.[^\n]+\n$/)
    const { entries } = await adminJson(environment, ['list-audit-log', '--workspace', 'default'])
    const actions = ['api_key.revoked', 'api_key.rotated', 'api_key.rotated', 'api_key.created']
    expect(entries.map(({ action }: { action: string }) => action)).toEqual(actions)
    const one = ['list-audit-log', '--workspace', 'default', '--action', 'api_key.rotated', '--limit', '1']
    expect((await adminJson(environment, one)).entries).toEqual([entries[1]])
  })

  it('that is not there cannot be rotated or revoked', async () => {
    const environment = { DATA_DIR: temporaryDirectory() }
    for (const command of ['rotate-key', 'revoke-key']) {
      const { code, stdout, stderr } = await runAdmin(environment, [command, 'key_unknown'])
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toMatch(/^There is no such API key[^\n]+\n$/)
    }
  })
})

describe('rotating old keys', () => {
  it('reaches those that are old and work, prints their secrets, and leaves them alone when it is repeated', async () => {
    const environment = { DATA_DIR: temporaryDirectory() }
    const deps = await depsOn(environment)
    const keys = [
      { name: 'older', days: 200 },
      { name: 'old', days: 91 },
      { name: 'young', days: 89 },
      { name: 'revoked', days: 200, revoked: true as const },
      { name: 'expired', days: 200, expired: true as const },
    ]
    await saveKeys(deps, keys)
    const words = ['rotate-old-keys', '--older-than-days', '90']
    const dry = await adminJson(environment, [...words, '--dry-run'])
    expect(dry.api_keys).toMatchObject([
      { key_id: 'key_old', workspace_id: 'shop', name: 'old' },
      { key_id: 'key_older', workspace_id: 'shop', name: 'older' },
    ])
    const { rotated } = await adminJson(environment, [...words, '--workspace', 'shop', '--transition-days', '1'])
    expect(rotated).toMatchObject([
      { key_id: 'key_old', api_key: expect.stringMatching(SECRET), version: 2 },
      { key_id: 'key_older', api_key: expect.stringMatching(SECRET), version: 2 },
    ])
    for (const { key_id, api_key } of rotated) {
      expect(await deps.keys.authenticate(api_key)).toMatchObject({ outcome: 'known', principal: { keyId: key_id } })
    }
    expect((await deps.keys.authenticate('secret of old')).outcome).toBe('known')
    expect(await adminJson(environment, words)).toEqual({ rotated: [] })
    expect((await runAdmin(environment, words)).stdout).toBe('0 rotated.\n')
    expect((await deps.store.getApiKey('key_young'))?.versions).toHaveLength(1)
    expect((await deps.store.getApiKey('key_revoked'))?.versions).toHaveLength(1)
    expect((await deps.store.getApiKey('key_expired'))?.versions).toHaveLength(1)
  })
})

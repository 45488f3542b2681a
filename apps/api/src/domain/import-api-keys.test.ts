import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { MAX_RATE_PER_MINUTE } from '../config.ts'
import { SCOPES } from '../ports.ts'
import { FakeClock } from '../testing/fake-clock.ts'
import { temporaryStore } from '../testing/temporary-store.ts'
import { newApiKeySecret } from './api-key-secret.ts'
import { revokeApiKey, rotateApiKey } from './api-keys.ts'
import { importApiKeys } from './import-api-keys.ts'
import { parseImportedApiKeys } from './imported-api-keys.ts'
import { createKeyRing, DEVELOPMENT_KEY } from './key-ring.ts'
import { openVault } from './vault.ts'

const BY = { principal: null, ip: null, requestId: 'request-1' }

async function testDeps() {
  const clock = new FakeClock()
  const { store } = await temporaryStore(clock)
  const vault = await openVault(store, [{ id: 'test', key: randomBytes(32) }])
  const keys = createKeyRing({ store, vault, clock, defaultRateLimitPerMinute: 1000, acceptDevelopmentKey: false })
  const deps = { store, vault, keys, clock, config: { rateLimitPerMinute: 1000 } }
  const importText = (text: string) => importApiKeys(deps, BY, parseImportedApiKeys(text))
  return { ...deps, deps, importFile: (file: unknown) => importText(JSON.stringify(file)) }
}

/** What is wrong with a file, line by line, without the first. */
function problemsOf(file: unknown): string[] {
  try {
    parseImportedApiKeys(typeof file === 'string' ? file : JSON.stringify(file))
  } catch (error) {
    return error instanceof Error ? error.message.split('\n  ').slice(1) : []
  }
  return []
}

describe('an import of API keys', () => {
  it('makes keys that work with the secrets that they had', async () => {
    const { keys, importFile } = await testDeps()
    const results = await importFile([
      { api_key: 'legacy-key-1' },
      {
        api_key: 'legacy key?no'.replaceAll(' ', '~'),
        name: ' Shop ',
        workspace_id: 'shop',
        scopes: ['inbox:consume', 'events:write'],
        rate_limit_per_minute: 60,
        allowed_ips: ['10.1.2.3/8', '::ffff:192.0.2.1'],
        expires_at: '2026-01-01',
        signing_secret: 'legacy-signing-1',
      },
    ])
    expect(results.map(({ outcome, workspaceId, name }) => [outcome, workspaceId, name])).toEqual([
      ['imported', 'default', 'Imported key 1'],
      ['imported', 'shop', 'Shop'],
    ])
    expect(await keys.authenticate('legacy-key-1')).toMatchObject({
      outcome: 'known',
      principal: {
        workspaceId: 'default',
        scopes: SCOPES,
        rateLimitPerMinute: 1000,
        allowedIps: [],
        signingSecrets: [],
        expiresAtUs: null,
      },
    })
    expect(await keys.authenticate('legacy~key?no')).toMatchObject({
      outcome: 'known',
      principal: {
        workspaceId: 'shop',
        name: 'Shop',
        scopes: ['events:write', 'inbox:consume'],
        rateLimitPerMinute: 60,
        allowedIps: ['10.0.0.0/8', '192.0.2.1'],
        signingSecrets: [{ secret: 'legacy-signing-1', expiresAtUs: null }],
        expiresAtUs: Date.UTC(2026, 0, 1) * 1000,
      },
    })
  })

  it('takes null for what a table has not set', async () => {
    const { importFile } = await testDeps()
    const unset = { name: null, rate_limit_per_minute: null, expires_at: null, signing_secret: null }
    expect(await importFile([{ api_key: 'legacy-key-1', ...unset }])).toMatchObject([{ outcome: 'imported', name: 'Imported key 1' }])
  })

  it('skips what is there already, whatever became of it since', async () => {
    const { deps, clock, store, keys, importFile } = await testDeps()
    const file = ['legacy-revoked', 'legacy-rotated', 'legacy-as-it-was'].map((api_key) => ({ api_key }))
    const [revoked, rotated] = await importFile(file)
    await revokeApiKey(deps, BY, null, revoked?.keyId ?? '')
    await rotateApiKey(deps, BY, null, rotated?.keyId ?? '', { revokePrevious: true })
    clock.advance({ days: 1 })
    // The store forgets the hash of a secret that has ended.
    await rotateApiKey(deps, BY, null, rotated?.keyId ?? '', { transitionDays: 1 })
    const again = await importFile([...file, { api_key: 'legacy-added' }])
    expect(again.map(({ outcome }) => outcome)).toEqual(['skipped', 'skipped', 'skipped', 'imported'])
    expect(again[0]?.keyId).toBe(revoked?.keyId)
    expect((await store.listApiKeys({ limit: 10 })).apiKeys).toHaveLength(4)
    expect(await keys.authenticate('legacy-revoked')).toEqual({ outcome: 'revoked' })
    expect(await keys.authenticate('legacy-rotated')).toEqual({ outcome: 'unknown' })
  })

  it('makes each key once when two run at the same time', async () => {
    const { store, importFile } = await testDeps()
    const file = Array.from({ length: 20 }, (_, index) => ({ api_key: `legacy-key-${index}` }))
    const [first = [], second = []] = await Promise.all([importFile(file), importFile(file)])
    expect(first.map(({ keyId }) => keyId)).toEqual(second.map(({ keyId }) => keyId))
    expect([...first, ...second].filter(({ outcome }) => outcome === 'imported')).toHaveLength(20)
    expect((await store.listApiKeys({ limit: 100 })).apiKeys).toHaveLength(20)
  })

  it("refuses another workspace's key, before anything is written", async () => {
    const { store, importFile } = await testDeps()
    const [mine] = await importFile([{ api_key: 'legacy-key-1', workspace_id: 'mine' }])
    const file = [{ api_key: 'legacy-key-2' }, { api_key: 'legacy-key-1', workspace_id: 'theirs' }]
    await expect(importFile(file)).rejects.toThrow(`index 1, api_key: belongs to the key ${mine?.keyId} of the workspace mine`)
    expect((await store.listApiKeys({ limit: 10 })).apiKeys).toHaveLength(1)
    expect(await store.hasWorkspace('theirs')).toBe(false)
  })

  it('tells the audit log what was made, without secrets', async () => {
    const { store, importFile } = await testDeps()
    const [made] = await importFile([{ api_key: 'legacy-key-1', workspace_id: 'shop', name: 'Shop', signing_secret: 'legacy-signing-1' }])
    const { entries } = await store.listAuditEntries({ workspaceId: 'shop', limit: 10 })
    expect(entries.map(({ action, target, actor, requestId }) => ({ action, target, actor, requestId }))).toEqual([
      {
        action: 'api_key.imported',
        target: { type: 'api_key', id: made?.keyId },
        actor: { type: 'operator', keyId: null },
        requestId: 'request-1',
      },
      {
        action: 'workspace.created',
        target: { type: 'workspace', id: 'shop' },
        actor: { type: 'operator', keyId: null },
        requestId: 'request-1',
      },
    ])
    expect(entries[0]?.changes).toMatchObject({
      name: { from: null, to: 'Shop' },
      scopes: { from: null, to: SCOPES },
      has_signing_secret: { from: null, to: true },
    })
    expect(JSON.stringify(entries)).not.toContain('legacy')
  })
})

describe('a file of API keys', () => {
  const valid = { api_key: 'legacy-key-1' }

  it.each([
    ['api_key', 'short', 'must be a string of 8 to 512 visible ASCII characters'],
    ['api_key', 'a'.repeat(513), 'must be a string of 8 to 512 visible ASCII characters'],
    ['api_key', 'with a space', 'must be a string of 8 to 512 visible ASCII characters'],
    ['api_key', 'with-ümlaut', 'must be a string of 8 to 512 visible ASCII characters'],
    ['api_key', 12345678, 'must be a string of 8 to 512 visible ASCII characters'],
    ['api_key', DEVELOPMENT_KEY, 'is the well-known development key, which everybody has'],
    ['api_key', `trg_${'0'.repeat(38)}`, 'has the form of a key of this server, but a character of it is wrong'],
    ['name', ' ', 'must be a string of 1 to 100 characters, without control characters'],
    ['name', 'two\nlines', 'must be a string of 1 to 100 characters, without control characters'],
    ['name', 'x'.repeat(101), 'must be a string of 1 to 100 characters, without control characters'],
    ['workspace_id', '../etc', 'must have 1 to 64 characters of A-Z a-z 0-9 . _ -, the first a letter or digit'],
    ['workspace_id', 7, 'must have 1 to 64 characters of A-Z a-z 0-9 . _ -, the first a letter or digit'],
    ['scopes', [], `must list at least one of ${SCOPES.join(', ')}; leave the field out for all`],
    ['scopes', null, `must list at least one of ${SCOPES.join(', ')}; leave the field out for all`],
    ['rate_limit_per_minute', -1, `must be a whole number from 0 (without limit) to ${MAX_RATE_PER_MINUTE}`],
    ['rate_limit_per_minute', 1.5, `must be a whole number from 0 (without limit) to ${MAX_RATE_PER_MINUTE}`],
    ['rate_limit_per_minute', '60', `must be a whole number from 0 (without limit) to ${MAX_RATE_PER_MINUTE}`],
    ['allowed_ips', '10.0.0.0/8', 'must be a list of at most 100 IP addresses or CIDR ranges'],
    ['allowed_ips', null, 'must be a list of at most 100 IP addresses or CIDR ranges'],
    ['expires_at', '2026-02-30', 'must be an ISO 8601 date or time before the year 2255, such as 2027-01-31T08:00:00Z'],
    ['expires_at', '2300-01-01', 'must be an ISO 8601 date or time before the year 2255, such as 2027-01-31T08:00:00Z'],
    ['expires_at', 1767225600, 'must be an ISO 8601 date or time before the year 2255, such as 2027-01-31T08:00:00Z'],
    ['signing_secret', 'short', 'must be a string of 8 to 512 visible ASCII characters'],
  ])('is refused for a wrong %s: %j', (field, value, issue) => {
    expect(problemsOf([valid, { ...valid, api_key: 'legacy-key-2', [field]: value }])).toEqual([`index 1, ${field}: ${issue}`])
  })

  it('has a line for every problem, with the place of an item in a list', () => {
    expect(
      problemsOf([
        { api_key: 'legacy-key-1', scopes: ['events:write', 'all'] },
        { name: 'no key' },
        'legacy-key-2',
        { api_key: 'legacy-key-3', allowed_ips: ['10.0.0.1', '10.0.0.256'], expires_at: 'never' },
      ]),
    ).toEqual([
      `index 0, scopes[1]: must list at least one of ${SCOPES.join(', ')}; leave the field out for all`,
      'index 1, api_key: must be a string of 8 to 512 visible ASCII characters',
      'index 2: must be an object',
      'index 3, allowed_ips[1]: must be an IP address or a CIDR range',
      'index 3, expires_at: must be an ISO 8601 date or time before the year 2255, such as 2027-01-31T08:00:00Z',
    ])
  })

  it('is refused for a key that it has twice', () => {
    expect(problemsOf([valid, { api_key: 'legacy-key-2' }, valid])).toEqual(['index 2, api_key: is the same as at index 0'])
  })

  it('is refused when a field that is shown holds a secret', () => {
    expect(
      problemsOf([
        { api_key: 'legacy-key-1', name: 'for legacy-key-1' },
        { api_key: 'legacy-key-2', signing_secret: 'legacy-signing', workspace_id: 'legacy-signing' },
      ]),
    ).toEqual([
      'index 0, name: holds a secret of the key, and would be shown',
      'index 1, workspace_id: holds a secret of the key, and would be shown',
    ])
  })

  it('is refused for unknown and repeated fields, without naming them: they may be the keys', () => {
    const known = 'api_key, name, workspace_id, scopes, rate_limit_per_minute, allowed_ips, expires_at, signing_secret'
    expect(problemsOf([{ 'canary-key-1': 'x', api_key: 'legacy-key-1' }])).toEqual([
      `index 0: has a field that is not known; known are ${known}`,
    ])
    expect(problemsOf('[{"canary-key-1": 1, "canary-key-1": 2}]')).toEqual(['index 0: has a field twice'])
    expect(problemsOf('{"canary-key-1": 1, "canary-key-1": 2}')).toEqual(['the file has a field twice'])
    expect(problemsOf({ 'canary-key-1': valid })).toEqual(['the file must hold a JSON array of objects'])
  })

  it('is refused when it is no JSON, by the line, without showing it', () => {
    expect(problemsOf('[\n{"api_key": canary-key-1}]')).toEqual(['the file is not valid JSON at line 2'])
    expect(problemsOf('[{"api_key": "canary-key-1')).toEqual(['the file is not valid JSON at line 1'])
    expect(problemsOf('')).toEqual(['the file is not valid JSON at line 1'])
    expect(problemsOf('[{"api_key": "canary\\q-key-1"}]')).toEqual(['the file is not valid JSON at line 1'])
  })

  it('may begin with a byte order mark, hold nothing, and have keys of another installation', () => {
    expect(parseImportedApiKeys('\uFEFF[]')).toEqual([])
    const secret = newApiKeySecret()
    expect(parseImportedApiKeys(JSON.stringify([{ api_key: secret }]))).toMatchObject([{ secret }])
  })

  it('is answered with fifty problems at the most', () => {
    const problems = problemsOf(Array.from({ length: 60 }, () => ({ api_key: 'x' })))
    expect(problems).toHaveLength(51)
    expect(problems.at(-1)).toBe('and 10 more')
  })
})

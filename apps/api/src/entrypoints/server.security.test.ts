import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parseMasterKeys, unwrapDataKey } from '../domain/vault.ts'
import { SCOPES } from '../ports.ts'
import { adminInThisProcess, adminJson, depsOn } from '../testing/admin-process.ts'
import { type AskOptions, ask, askOk, type Credentials, EVENT, keyedEnvironment, newMasterKey } from '../testing/keyed-server.ts'
import { runToExit, startServer } from '../testing/server-process.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

/** Found where it should be, so that the search is known to find things. */
const MARK = 'a mark that is no secret'
const KEY_BYTES = 32

/** Every way in which it could have been written down: as it is, in hex, in base64 at any place of a longer text, as a hash without a key. */
function spellings(secret: Buffer): Buffer[] {
  const digest = createHash('sha256').update(secret).digest()
  const texts = [secret, digest].flatMap((bytes) => [bytes.toString('hex'), bytes.toString('hex').toUpperCase(), ...base64s(bytes)])
  return [secret, digest, ...texts.map((text) => Buffer.from(text))]
}

/** The digits that its bytes alone decide, for each of the three places that it can begin at. */
function base64s(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((offset) => {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes])
    const firstWhole = Math.ceil((offset * 8) / 6)
    const wholeDigits = Math.floor((shifted.length * 8) / 6)
    return (['base64', 'base64url'] as const).map((encoding) => shifted.toString(encoding).slice(firstWhole, wholeDigits))
  })
}

type Canaries = Record<string, string | Buffer>

/** Where which of them stands. */
function findings(canaries: Canaries, places: readonly (readonly [where: string, content: string | Buffer])[]): string[] {
  const wanted = Object.entries(canaries).map(([name, secret]) => ({ name, forms: spellings(Buffer.from(secret)) }))
  return places.flatMap(([where, content]) => {
    const bytes = Buffer.from(content)
    return wanted.filter(({ forms }) => forms.some((form) => bytes.includes(form))).map(({ name }) => `${where}: ${name}`)
  })
}

function filesIn(directory: string): [where: string, content: Buffer][] {
  return readdirSync(directory).map((file) => [file, readFileSync(join(directory, file))])
}

type Question = [credentials: Credentials | undefined, target: string, options?: AskOptions]

/** Requests that have the secret where it does not belong. */
function mistakes(secret: string, valid: Credentials): Question[] {
  const post = (target: string, body: unknown, headers: Record<string, string> = {}): Question => [
    valid,
    target,
    { method: 'POST', body, headers },
  ]
  return [
    [{ key: `${secret}x` }, '/v1/inbox'],
    ...[`Basic ${secret}`, `Bearer ${secret} x`, `Bearer ${secret}x`, secret].map(
      (authorization): Question => [undefined, '/v1/whoami', { headers: { authorization } }],
    ),
    ...['api_key', 'x-api-key', 'key', 'token', 'access_token', 'other'].map(
      (name): Question => [undefined, `/v1/inbox?${name}=${secret}`],
    ),
    [undefined, `/v1/${secret}`],
    [undefined, `/docs?key=${secret}`],
    [valid, `/v1/events/${secret}`],
    [valid, `/v1/api-keys/${secret}`],
    [valid, `/v1/api-keys/${secret}/rotate?revoke_previous=${secret}`, { method: 'POST' }],
    [valid, `/v1/events?api_key=${secret}`, { method: 'PUT' }],
    ...['api_key', 'limit', 'cursor', 'created_after', 'status', 'source', 'metadata.key'].map(
      (name): Question => [valid, `/v1/events?${name}=${secret}`],
    ),
    [valid, `/v1/audit-log?action=${secret}`],
    post('/v1/events', secret),
    post('/v1/events', `{"source": ${secret}`),
    post('/v1/events', JSON.stringify(secret)),
    post('/v1/events', `{"a": 1, "a": "${secret}"}`),
    post('/v1/events', { ...EVENT, payload: secret }),
    post('/v1/events', { ...EVENT, source: [secret], metadata: { priority: secret, correlation_id: { [MARK]: secret } } }),
    post('/v1/events', { ...EVENT, metadata: { note: secret.repeat(20), idempotency_key: secret.repeat(20) } }),
    post('/v1/events', EVENT, { 'idempotency-key': secret.repeat(20) }),
    post('/v1/events', EVENT, { 'content-type': `text/${secret}` }),
    post('/v1/events', { ...EVENT, payload: { text: secret.repeat(20_000) } }),
    post('/v1/events/bulk', { items: [secret, { source: secret }] }),
    post('/v1/events/bulk/ack', { event_ids: [secret] }),
    post('/v1/api-keys', { name: 1, scopes: [secret], allowed_ips: [secret], expires_at: secret, rate_limit_per_minute: secret }),
    ...['x-signature', 'x-signature-timestamp', 'x-signature-version'].map(
      (name): Question => [
        valid,
        '/v1/whoami',
        { headers: { 'x-signature-version': 'v1', 'x-signature-timestamp': '1', 'x-signature': 'AAAA', [name]: secret } },
      ],
    ),
  ]
}

/** Requests that have it where only its form can tell that it is one: an imported secret has none. */
function namesOf(secret: string, valid: Credentials): Question[] {
  const post = (target: string, body: unknown): Question => [valid, target, { method: 'POST', body }]
  return [
    [valid, `/v1/${secret}`],
    [undefined, `/${secret}`],
    [valid, `/v1/inbox?${secret}=1`],
    [valid, `/v1/inbox?${secret}=1&${secret}=2`],
    [valid, `/v1/inbox?metadata.${secret}=1&metadata.${secret}=2`],
    [valid, '/v1/whoami', { headers: { 'x-request-id': secret } }],
    post('/v1/events', { ...EVENT, [secret]: 1, metadata: { [secret]: {} } }),
    post('/v1/events', `{"${secret}": 1, "${secret}": 2}`),
    post('/v1/events', `{"source": "a", "event_type": "b", "payload": {"${secret}": 1, "${secret}": 2}}`),
    post('/v1/events/bulk', { items: [{ ...EVENT, [secret]: 1 }], [secret]: 1 }),
    post('/v1/api-keys', { [secret]: 1 }),
  ]
}

it('writes no secret down anywhere, whatever is done with it', async () => {
  const environment = keyedEnvironment()
  const directory = environment.DATA_DIR
  const told: [where: string, content: string][] = []
  const admin = async (words: string[], stdin?: string) => {
    const { stdout, stderr } = await adminInThisProcess(environment, words, stdin)
    told.push([`admin ${words.join(' ')}`, stdout + stderr])
  }
  const imported = 'imported-8d1f4c0b6a2e497f9c35-plain'
  const importedSigning = 'imported-signing-51c0de77aa3b4f0e8d26'
  const entry = { api_key: imported, name: MARK, signing_secret: importedSigning }
  await admin(['import-keys', '-'], JSON.stringify([entry, { api_key: imported, scopes: [importedSigning], [imported]: 1 }]))
  await admin(['import-keys', '-'], `[{"api_key": "${imported}" "${importedSigning}"}]`)
  await admin(['import-keys', '-'], JSON.stringify([entry]))
  await admin(['import-keys', '-', '--json'], JSON.stringify([entry]))

  const server = await startServer({ ...environment, LOG_LEVEL: 'debug' })
  const valid = { key: imported, signingSecret: undefined }
  const make = (fields: object) =>
    askOk(server, valid, '/v1/api-keys', { method: 'POST', body: { name: MARK, scopes: ['events:read'], ...fields } })
  const made = await make({ scopes: SCOPES })
  const signing = await make({ require_signature: true })
  const slow = await make({ rate_limit_per_minute: 1 })
  const elsewhere = await make({ allowed_ips: ['203.0.113.1'] })
  const revoked = await make({})
  const rotated = await askOk(server, valid, `/v1/api-keys/${made.key_id}/rotate`, { method: 'POST' })
  const replaced = await askOk(server, valid, `/v1/api-keys/${signing.key_id}/signing-secret?transition_days=1`, { method: 'POST' })
  const byOperator = await adminJson(environment, ['rotate-key', slow.key_id])
  await askOk(server, valid, `/v1/api-keys/${revoked.key_id}`, { method: 'DELETE' })
  const damaged = await make({ require_signature: true })
  const { store } = await depsOn(environment)
  const masterKeys = parseMasterKeys(environment.ENCRYPTION_KEY)
  const dataKeys = await store.listDataKeys()

  const secrets = {
    'a generated key': made.api_key,
    'an imported key': imported,
    'a generated signing secret': signing.signing_secret,
    'an imported signing secret': importedSigning,
    'an unknown key': 'wrong-key-0f9d8c7b6a5e4d3c2b1a',
    'a mistyped key': `${made.api_key.slice(0, -1)}${made.api_key.endsWith('0') ? '1' : '0'}`,
  }
  const canaries: Canaries = {
    ...secrets,
    'a rotated key': rotated.api_key,
    'a key rotated by the operator': byOperator.api_key,
    'a replaced signing secret': replaced.signing_secret,
    'the key of a damaged record': damaged.api_key,
    'the master key': Buffer.from(masterKeys[0]?.key ?? ''),
    ...Object.fromEntries(dataKeys.map(({ name, key }) => [`the data key ${name}`, Buffer.from(unwrapDataKey(masterKeys, name, key))])),
  }
  expect(Object.values(canaries).every((secret) => secret.length >= 20)).toBe(true)
  expect(dataKeys.map(({ name }) => name)).toEqual(expect.arrayContaining(['api-key-hash', 'cursor', 'secrets:1']))

  const statuses = new Set<number>()
  const tell = async (...[credentials, target, options]: Question) => {
    const { status, headers, text } = await ask(server, credentials, target, options)
    statuses.add(status)
    told.push([`${status} ${options?.method ?? 'GET'} ${target.slice(0, 100)}`, JSON.stringify([...headers]) + text])
  }
  const signed = { key: imported, signingSecret: importedSigning }
  for (const secret of Object.values(secrets)) {
    for (const question of mistakes(secret, valid)) await tell(...question)
    for (const question of secret.startsWith('trg_') || secret.startsWith('sign_') ? namesOf(secret, valid) : []) await tell(...question)
  }
  await tell({ key: slow.api_key }, '/v1/inbox')
  await tell({ key: slow.api_key }, '/v1/whoami')
  await tell({ key: elsewhere.api_key }, '/v1/whoami')
  await tell({ key: revoked.api_key }, '/v1/whoami')
  await tell(valid, `/v1/api-keys/${revoked.key_id}/rotate`, { method: 'POST' })
  await tell({ key: signing.api_key, signingSecret: signing.signing_secret }, '/v1/events?limit=1')
  await tell(valid, '/v1/events', { method: 'POST', body: { ...EVENT, payload: { [MARK]: 1 } } })
  for (const target of ['/v1/whoami', '/v1/api-keys?limit=100', `/v1/api-keys/${made.key_id}`, `/v1/api-keys/${made.key_id}/versions`]) {
    await tell(valid, target)
  }

  // A fault of the server, and one of the storage, with the secret in the path: both are logged.
  const { lastUsedAtUs: _, ...record } = (await store.getApiKey(damaged.key_id)) ?? { lastUsedAtUs: null }
  if (!('signingSecrets' in record)) throw new Error('The key is not stored.')
  const signingSecrets = record.signingSecrets.map((secret) => ({ ...secret, sealed: `${secret.sealed.slice(0, -4)}AAAA` }))
  expect(await store.saveApiKey({ ...record, signingSecrets }, null)).toBe('saved')
  for (const secret of Object.values(secrets)) await tell({ key: damaged.api_key }, `/v1/events/${secret}?key=${secret}`)
  const other = new DatabaseSync(join(directory, 'triggers.db'))
  onTestFinished(() => other.close())
  other.exec('BEGIN EXCLUSIVE')
  // Every signature of such a write is remembered in the store: which cannot do it now.
  await tell(signed, `/v1/api-keys/${Object.values(secrets).join('/')}?key=${imported}`, { method: 'DELETE' })
  other.exec('ROLLBACK')

  const audit = (await ask(server, valid, '/v1/audit-log?limit=100')).text
  expect(findings({ MARK }, [['audit', audit], ...filesIn(directory)])).toEqual(
    expect.arrayContaining(['audit: MARK', 'triggers.db-wal: MARK']),
  )
  await admin(['list-keys'])
  await admin(['list-audit-log', '--workspace', 'default', '--json'])
  await admin(['list-audit-log', '--json'])
  const running = filesIn(directory)
  server.kill('SIGTERM')
  await server.exited
  // Not before all of its output has been read.
  const log = server.stdout() + server.stderr()
  // The server's faults; the storage's one, and the address that is not allowed.
  expect([50, 40].map((level) => log.split(`"level":${level},`).length - 1)).toEqual([Object.keys(secrets).length, 2])
  expect([...statuses].sort()).toEqual([200, 201, 400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503])
  expect(findings(canaries, [['log', log], ['audit log', audit], ...told, ...running, ...filesIn(directory)])).toEqual([])
})

describe('a start is refused in one line without key material', () => {
  async function expectRefusal(environment: Record<string, string>, ...words: string[]): Promise<void> {
    const { code, stdout, stderr } = await runToExit(environment)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^[^\n]+\n$/)
    for (const word of words) expect(stderr).toContain(word)
    const { ENCRYPTION_KEY = '' } = environment
    for (const text of ENCRYPTION_KEY.split(/[:,]/)) if (text.length >= KEY_BYTES) expect(stderr).not.toContain(text)
    expect(stderr).not.toMatch(/[A-Za-z0-9+/_-]{40}/)
  }

  it('where keys count and there is no ENCRYPTION_KEY, with or without data', async () => {
    const DATA_DIR = join(temporaryDirectory(), 'data')
    await expectRefusal({ DATA_DIR, AUTH_MODE: 'keys' }, 'ENCRYPTION_KEY', 'openssl rand -base64 32')
    expect(existsSync(DATA_DIR)).toBe(false)
    await expectRefusal({ DATA_DIR, HOST: '0.0.0.0' }, 'ENCRYPTION_KEY', 'create-key')
    const environment = keyedEnvironment()
    await adminJson(environment, ['create-workspace', 'default'])
    await expectRefusal({ DATA_DIR: environment.DATA_DIR, AUTH_MODE: 'keys' }, 'ENCRYPTION_KEY')
  })

  it('with another key than that of the data, under its id or another', async () => {
    const environment = keyedEnvironment()
    await adminJson(environment, ['create-workspace', 'default'])
    const before = filesIn(environment.DATA_DIR)
    await expectRefusal({ ...environment, ENCRYPTION_KEY: newMasterKey() }, 'ENCRYPTION_KEY', 'main')
    await expectRefusal({ ...environment, ENCRYPTION_KEY: newMasterKey('other') }, 'ENCRYPTION_KEY', 'no key named main')
    // Nor is a key file made for data that has a key.
    await expectRefusal({ DATA_DIR: environment.DATA_DIR }, 'encryption.key is missing')
    expect(filesIn(environment.DATA_DIR)).toEqual(before)
  })

  const key = randomBytes(KEY_BYTES)
  const [base64, hex] = [key.toString('base64'), key.toString('hex')]
  it.each([
    ['the key in the place of its id', `${base64}:main`],
    ['hex', `main:${hex}`],
    ['two keys of one id', `main:${base64},${newMasterKey()}`],
  ])('with an ENCRYPTION_KEY of %s', async (_, ENCRYPTION_KEY) => {
    await expectRefusal({ DATA_DIR: temporaryDirectory(), AUTH_MODE: 'keys', ENCRYPTION_KEY }, 'ENCRYPTION_KEY')
  })

  it('where the development key would be offered to other machines', async () => {
    await expectRefusal({ DATA_DIR: temporaryDirectory(), HOST: '0.0.0.0', AUTH_MODE: 'local' }, 'HOST=0.0.0.0', 'create-key')
    await expectRefusal({ ...keyedEnvironment(), HOST: '::', AUTH_MODE: 'local' }, 'HOST=::')
  })

  it('when others may read the key file, which is made for its owner alone', async () => {
    const DATA_DIR = temporaryDirectory()
    const server = await startServer({ DATA_DIR })
    server.kill('SIGTERM')
    await server.exited
    const file = join(DATA_DIR, 'encryption.key')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const [, base64 = ''] = readFileSync(file, 'utf8').trim().split(':')
    expect(findings({ key: Buffer.from(base64, 'base64') }, [['output', server.stdout() + server.stderr()]])).toEqual([])
    chmodSync(file, 0o640)
    await expectRefusal({ DATA_DIR }, 'chmod 600')
    chmodSync(file, 0o600)
    expect((await (await startServer({ DATA_DIR })).request('/v1/whoami')).status).toBe(200)
  })
})

import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { adminJson, depsOn } from '../testing/admin-process.ts'
import {
  ask,
  askOk,
  type Credentials,
  EVENT,
  firstKey,
  type KeyedEnvironment,
  keyedEnvironment,
  newMasterKey,
} from '../testing/keyed-server.ts'
import { type ServerProcess, startServer } from '../testing/server-process.ts'

const CLIENTS = 8
const POLL_MS = 100
/** The server's clock has microseconds of its own, and follows the machine's within a few milliseconds. */
const CLOCK_TOLERANCE_US = 10_000
/** Within which another process's change must act: 5 seconds. */
const POLLS = 5000 / POLL_MS

async function start() {
  const environment = keyedEnvironment()
  const first = await firstKey(environment)
  return { environment, first, server: await startServer(environment) }
}

type Started = Awaited<ReturnType<typeof start>>

async function makeKey({ server, first }: Pick<Started, 'server' | 'first'>, fields: object = {}) {
  const made = await askOk(server, first, '/v1/api-keys', { method: 'POST', body: { name: 'made', scopes: ['events:write'], ...fields } })
  const credentials: Credentials = { key: made.api_key, signingSecret: made.signing_secret }
  return { keyId: String(made.key_id), credentials }
}

const create = (server: ServerProcess, credentials: Credentials) => ask(server, credentials, '/v1/events', { method: 'POST', body: EVENT })

/**
 * Creates events from several clients while `change` gives their key other credentials, which each takes up at its own time.
 * @param least how many to create; more if the change takes longer
 * @returns what was answered, with which credentials
 */
async function createAcross(server: ServerProcess, former: Credentials, least: number, change: () => Promise<Credentials>) {
  const [before, after] = [least * 0.4, least * 0.6]
  const answers: { status: number; text: string; with: 'former' | 'newer' }[] = []
  let newer: Credentials | undefined
  let known = 0
  let changing: Promise<void> | undefined
  const client = async (index: number) => {
    // The last client changes over when three quarters of what comes after the change is done.
    const isTime = () => newer !== undefined && answers.length >= known + (after * 3 * index) / (CLIENTS * 4)
    while (newer === undefined || answers.length < known + after) {
      const credentials = isTime() && newer !== undefined ? newer : former
      const { status, text } = await create(server, credentials)
      answers.push({ status, text, with: credentials === former ? 'former' : 'newer' })
      if (answers.length < before) continue
      changing ??= change().then((changed) => {
        newer = changed
        known = answers.length
      })
      // A change that fails must not leave the clients going on for ever.
      if (newer === undefined) await Promise.race([changing, wait(0)])
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)))
  return { answers, known }
}

async function expectNoFailure(
  server: ServerProcess,
  former: Credentials,
  change: () => Promise<Credentials>,
  { least = 300 }: { least?: number } = {},
): Promise<void> {
  const { answers, known } = await createAcross(server, former, least, change)
  expect(answers.filter(({ status }) => status !== 201)).toEqual([])
  expect(answers.length).toBeGreaterThanOrEqual(least)
  for (const which of ['former', 'newer']) {
    expect(answers.slice(known).filter((answer) => answer.with === which).length).toBeGreaterThan(least / 20)
  }
}

/** How often a request was answered until it was refused. */
async function pollsUntilRefused(server: ServerProcess, credentials: Credentials): Promise<number> {
  for (let polls = 0; polls <= POLLS; polls++) {
    const { status } = await ask(server, credentials, '/v1/whoami')
    if (status === 401) return polls
    expect(status).toBe(200)
    await wait(POLL_MS)
  }
  return Number.POSITIVE_INFINITY
}

describe('creates all succeed across', () => {
  it('a rotation through HTTP, a thousand; both secrets work afterwards', async () => {
    const started = await start()
    const { server, first } = started
    const { keyId, credentials } = await makeKey(started)
    let newer: Credentials = credentials
    const rotate = async () => {
      newer = { key: (await askOk(server, first, `/v1/api-keys/${keyId}/rotate`, { method: 'POST' })).api_key }
      return newer
    }
    await expectNoFailure(server, credentials, rotate, { least: 1000 })
    expect(newer).not.toEqual(credentials)
    expect([(await create(server, credentials)).status, (await create(server, newer)).status]).toEqual([201, 201])
  })

  it('a rotation by the operator, a thousand', async () => {
    const started = await start()
    const { keyId, credentials } = await makeKey(started)
    const rotate = async () => ({ key: (await adminJson(started.environment, ['rotate-key', keyId])).api_key })
    await expectNoFailure(started.server, credentials, rotate, { least: 1000 })
  })

  it('a replacement of the signing secret with an overlap', async () => {
    const started = await start()
    const { server, first } = started
    const { keyId, credentials } = await makeKey(started, { require_signature: true })
    await expectNoFailure(server, credentials, async () => {
      const path = `/v1/api-keys/${keyId}/signing-secret?transition_days=1`
      return { ...credentials, signingSecret: (await askOk(server, first, path, { method: 'POST' })).signing_secret }
    })
  })

  it('an import of keys by the operator; the imported keys work', async () => {
    const { environment, server, first } = await start()
    const imported = Array.from({ length: 500 }, (_, index) => ({ api_key: `imported-plain-key-${index}` }))
    await expectNoFailure(server, first, async () => {
      const answer = await adminJson(environment, ['import-keys', '-'], JSON.stringify(imported))
      expect(answer).toMatchObject({ imported: imported.length, skipped: 0 })
      return { key: `imported-plain-key-${imported.length - 1}` }
    })
  })

  it('a change of the encryption key; a server with the new one alone goes on', async () => {
    const environment: KeyedEnvironment = keyedEnvironment()
    const first = await firstKey(environment)
    const both = { ...environment, ENCRYPTION_KEY: `${newMasterKey('next')},${environment.ENCRYPTION_KEY}` }
    const server = await startServer(both)
    const { credentials } = await makeKey({ server, first }, { require_signature: true })
    await expectNoFailure(server, credentials, async () => {
      expect(await adminJson(both, ['change-encryption-key'])).toMatchObject({ changed: true, resealed_api_keys: 1 })
      return { ...credentials }
    })
    server.kill('SIGTERM')
    await server.exited
    const [ENCRYPTION_KEY = ''] = both.ENCRYPTION_KEY.split(',')
    const again = await startServer({ ...environment, ENCRYPTION_KEY })
    expect((await create(again, credentials)).status).toBe(201)
  })
})

describe('a key that is revoked', () => {
  it('through HTTP is refused with the very next request, and so is one whose former secret was to stop', async () => {
    const started = await start()
    const { server, first } = started
    for (const end of ['DELETE ', 'POST /rotate?revoke_previous=true'] as const) {
      const { keyId, credentials } = await makeKey(started)
      expect((await create(server, credentials)).status).toBe(201)
      const [method, below] = end.split(' ')
      await askOk(server, first, `/v1/api-keys/${keyId}${below}`, { method: method ?? '' })
      expect((await create(server, credentials)).status).toBe(401)
    }
  })

  it('by another process is refused within 5 seconds, and a former secret from the very moment on when its overlap ends', async () => {
    const started = await start()
    const { server, environment } = started
    const [revoked, rotated, ending] = [await makeKey(started), await makeKey(started), await makeKey(started)]
    const revoke = async () => {
      await adminJson(environment, ['revoke-key', revoked.keyId])
      return pollsUntilRefused(server, revoked.credentials)
    }
    const rotate = async () => {
      const { api_key } = await adminJson(environment, ['rotate-key', rotated.keyId, '--revoke-previous'])
      const polls = await pollsUntilRefused(server, rotated.credentials)
      expect((await ask(server, { key: api_key }, '/v1/whoami')).status).toBe(200)
      return polls
    }
    // In the server's memory, so that its look at the store is what comes late.
    for (const { credentials } of [revoked, rotated, ending]) expect((await ask(server, credentials, '/v1/whoami')).status).toBe(200)
    const [polls] = await Promise.all([Promise.all([revoke(), rotate()]), expectToEndOnTime(started, ending)])
    for (const count of polls) expect(count).toBeLessThan(POLLS)
  })
})

/** Ends a key's first secret in a few seconds, which no call can, and watches the server refuse it then: neither earlier nor later. */
async function expectToEndOnTime({ server, environment }: Started, { keyId, credentials }: { keyId: string; credentials: Credentials }) {
  const { store } = await depsOn(environment)
  const stored = await store.getApiKey(keyId)
  if (stored === undefined) throw new Error('The key is not stored.')
  const { lastUsedAtUs: _, ...record } = stored
  const nowUs = Date.now() * 1000
  const endUs = nowUs + 4_500_000
  const versions = record.versions.map((version) => ({ ...version, rotatedAtUs: nowUs, expiresAtUs: endUs }))
  const newest = { version: 2, hash: 'the hash of a secret that nobody has', createdAtUs: nowUs, rotatedAtUs: null, expiresAtUs: null }
  expect(await store.saveApiKey({ ...record, versions: [newest, ...versions] }, null)).toBe('saved')
  const wrong: string[] = []
  let refused = 0
  while (refused < 3) {
    const askedUs = Date.now() * 1000
    const { status } = await ask(server, credentials, '/v1/whoami')
    const answeredUs = Date.now() * 1000
    if (status === 401) refused++
    const isWrong = status === 401 ? answeredUs < endUs - CLOCK_TOLERANCE_US : askedUs > endUs + CLOCK_TOLERANCE_US
    if (isWrong) wrong.push(`${status}, asked ${(askedUs - endUs) / 1000} ms after the end`)
    await wait(5)
  }
  expect(wrong).toEqual([])
}

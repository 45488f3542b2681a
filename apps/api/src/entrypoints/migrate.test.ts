import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { checkTables } from '../adapters/aws/dynamodb/schema.ts'
import { createWorkspaces } from '../adapters/aws/dynamodb/workspaces.ts'
import { newEvent, query } from '../adapters/conformance/harness.ts'
import { systemClock } from '../adapters/system-clock.ts'
import type { EventFilter, Store } from '../ports.ts'
import { adminInThisProcess, runAdmin } from '../testing/admin-process.ts'
import { startDynamodbLocal } from '../testing/dynamodb-local.ts'
import { testTables } from '../testing/dynamodb-tables.ts'
import { runToExit } from '../testing/server-process.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

/** One that no other file uses: DynamoDB Local makes indexes for one set of tables that have a TTL, and for no second. */
const server = await startDynamodbLocal()

if (server === undefined) {
  it.skip('migrates tables: needs a JDK and Maven', () => {})
} else {
  const { newPrefix, dynamoOf, open } = testTables(server.url)
  const tablePrefix = newPrefix()
  const environment = {
    STORE: 'dynamodb',
    AUTH_MODE: 'keys',
    ENCRYPTION_KEY: `main:${Buffer.alloc(32, 7).toString('base64')}`,
    DYNAMODB_ENDPOINT_URL: server.url,
    DYNAMODB_TABLE_PREFIX: tablePrefix,
    DYNAMODB_INDEXES: 'source',
  }
  const withPriority = { ...environment, DYNAMODB_INDEXES: 'source,priority' }

  async function allIds(store: Store, filter: EventFilter): Promise<string[]> {
    const ids: string[] = []
    for (let after: string | undefined; ; ) {
      const { events, next } = await store.listEvents(query('shop', { filter, limit: 100, after }))
      ids.push(...events.map(({ eventId }) => eventId))
      if (next === null) return ids
      after = next
    }
  }

  it('makes the tables that a server of production asks for, and then finds nothing to do', async () => {
    const refused = await runToExit({ ...environment, DATA_DIR: temporaryDirectory() })
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toBe(
      `The table ${tablePrefix}events does not exist. Run \`pnpm admin migrate\` with the settings of the server.\n`,
    )
    const made = await runAdmin(environment, ['migrate'])
    expect(made).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`The tables ${tablePrefix}* are of schema 1, with indexes by source.\n`),
    })
    expect(made.stderr.split('\n')).toContain(`The table ${tablePrefix}rate-limits is made.`)
    const again = await runAdmin(environment, ['migrate', '--json'])
    expect(again).toMatchObject({ code: 0, stderr: '' })
    const nothing = { schema_version: 1, made_tables: [], new_indexes: [], written_events: 0, unused_indexes: [] }
    expect(JSON.parse(again.stdout)).toEqual(nothing)
  })

  it('makes a new index complete though it is killed in the middle, and lists by it leave out nothing', {
    timeout: 120_000,
  }, async () => {
    const { store } = await open({ tablePrefix, makeTables: false, eventIndexes: ['source'] })
    const created: string[] = []
    for (let at = 0; at < 1500; at += 25) {
      const results = await store.createEvents(
        'shop',
        Array.from({ length: 25 }, (_, index) => {
          const priority = index % 5 === 0 ? 'high' : 'normal'
          return newEvent({ priority, metadata: JSON.stringify({ priority }) })
        }),
      )
      created.push(...results.flatMap((result, index) => (index % 5 === 0 && result.outcome === 'created' ? [result.eventId] : [])))
    }
    expect(created).toHaveLength(300)
    const acked = created.slice(0, 100)
    await store.ackEvents('shop', acked)

    const child = spawn(process.execPath, [join(import.meta.dirname, 'admin.ts'), 'migrate', '--writes-per-second', '200'], {
      env: { PATH: process.env['PATH'], ...withPriority },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const killed = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (/events are done/.test(text)) child.kill('SIGKILL')
    })
    expect(await killed).toBe('SIGKILL')
    const dynamo = dynamoOf(tablePrefix)
    expect(await checkTables(dynamo, ['source', 'priority'])).toEqual({ all: ['source', 'priority'], ready: ['source'] })

    const resumed = await runAdmin(withPriority, ['migrate', '--json', '--writes-per-second', '100000'])
    expect(resumed).toMatchObject({ code: 0 })
    expect(resumed.stderr).toContain('Another migration is under way: waiting until it ends.')
    expect(resumed.stderr).toMatch(/^Events get what the indexes by priority need: on behind \d+ that are done\.$/m)
    expect(JSON.parse(resumed.stdout)).toMatchObject({ new_indexes: ['priority'], written_events: 1500 })
    expect(await checkTables(dynamo, ['source', 'priority'])).toEqual({ all: ['source', 'priority'], ready: ['source', 'priority'] })

    const { store: reader } = await open({ tablePrefix, makeTables: false, eventIndexes: ['source', 'priority'], settleMs: 500 })
    expect(await allIds(reader, { priority: 'high' })).toEqual(created)
    expect(await allIds(reader, { priority: 'high', status: 'acknowledged' })).toEqual(acked)
    expect(await allIds(reader, { priority: 'high', status: 'pending' })).toEqual(created.slice(100))
  })

  it('names an index that is not configured, and how to delete it', async () => {
    const { code, stdout } = await runAdmin(environment, ['migrate'])
    expect(code).toBe(0)
    expect(stdout).toContain('The index `by-priority` is not in DYNAMODB_INDEXES.')
    expect(stdout).toContain(`aws dynamodb update-table --table-name ${tablePrefix}events --global-secondary-index-updates '[{"Delete"`)
  })

  it('refuses tables of a newer version in one line, as the server does', async () => {
    const dynamo = dynamoOf(tablePrefix)
    const setVersion = (version: number) =>
      dynamo.update(
        'keys',
        { pk: 'schema', sk: '-' },
        { update: 'SET #version = :version', names: { version: 'version' }, values: { version } },
      )
    await setVersion(9)
    onTestFinished(async () => void (await setVersion(1)))
    const said = /^The tables were written by a newer version of Triggers \(schema 9; this program knows 1\)\.[^\n]+\n$/
    for (const run of [runAdmin(environment, ['migrate']), runToExit({ ...environment, DATA_DIR: temporaryDirectory() })]) {
      expect(await run).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(said) })
    }
  })

  it('sets the shards of a workspace, from a minute later on', async () => {
    const set = (...words: string[]) => adminInThisProcess(environment, ['set-shards', ...words])
    const beforeUs = systemClock.nowUs()
    const { code, stdout, stderr } = await set('--workspace', 'shop', '--shards', '16', '--json')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const shards = await createWorkspaces(dynamoOf(tablePrefix), systemClock, 1).find('shop')
    expect(shards?.shards).toMatchObject([{ fromUs: 0, count: 4 }, { count: 16 }])
    const from = String(JSON.parse(stdout).from)
    expect(JSON.parse(stdout)).toEqual({ workspace_id: 'shop', shards: 16, from, changed: true })
    expect(Date.parse(from) * 1000).toBeGreaterThanOrEqual(beforeUs + 60_000_000)
    const { store } = await open({ tablePrefix, makeTables: false, eventIndexes: ['source'] })
    expect((await store.listAuditEntries({ workspaceId: 'shop', limit: 1 })).entries).toMatchObject([
      { action: 'workspace.shards_changed', actor: { type: 'operator' }, changes: { shards: { from: 4, to: 16 } } },
    ])

    expect(await set('--workspace', 'shop', '--shards', '8')).toMatchObject({
      code: 1,
      stderr: `16 shards are to hold from ${from} on. Change it after that.\n`,
    })
    expect(await set('--workspace', 'shpo', '--shards', '8')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^There is no workspace shpo yet\. Make it with `pnpm admin create-workspace shpo`/),
    })
  })
}

it.each(['migrate', 'set-shards --workspace shop --shards 4'])('refuses %s with the embedded store, in one line', async (words) => {
  const run = await runAdmin({ DATA_DIR: temporaryDirectory(), STORE: 'sqlite' }, words.split(' '))
  expect(run).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^This command is for STORE=dynamodb, which is not set\. With STORE=sqlite [^\n]+\n$/),
  })
})

it('says in one line that DynamoDB cannot be reached', { timeout: 60_000 }, async () => {
  const environment = { STORE: 'dynamodb', AUTH_MODE: 'local', DYNAMODB_ENDPOINT_URL: 'http://127.0.0.1:9' }
  const run = await runAdmin(environment, ['migrate'])
  expect(run).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^It is not done\. DynamoDB: it cannot be reached \(ECONNREFUSED\)[^\n]+\n$/),
  })
})

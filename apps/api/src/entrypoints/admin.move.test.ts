import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { newEvent } from '../adapters/conformance/harness.ts'
import { runAdmin as runInThisProcess } from '../admin/run-admin.ts'
import { adminInThisProcess, adminJson, depsOn, runAdmin, spawnAdmin } from '../testing/admin-process.ts'
import { fillWorkspace } from '../testing/full-workspace.ts'
import { countLines, recordLines } from '../testing/moves.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import { webhookRecord } from '../testing/webhook-records.ts'

type Environment = Record<string, string> & { DATA_DIR: string }

const ENCRYPTION_KEY = `main:${randomBytes(32).toString('base64')}`

/** A database of the store that the run is about. */
const database = (): Environment => ({ DATA_DIR: temporaryDirectory(), ENCRYPTION_KEY })
/** An embedded one, whatever the run is about. */
const embedded = (): Environment => ({ ...database(), STORE: 'sqlite' })

const EXPORT = ['export', '--workspace', 'shop']

/** The file of the workspace, with its secrets. */
async function fileOf(environment: Environment): Promise<string> {
  const path = join(temporaryDirectory(), 'shop.jsonl')
  const { exported } = await adminJson(environment, [...EXPORT, '--with-secrets', '--to', path])
  expect(exported).toEqual(countLines(readFileSync(path, 'utf8')))
  return path
}

const textOf = (path: string): string => readFileSync(path, 'utf8')

describe('moving a workspace', () => {
  it('to another store and back gives the same lines, and callers and deliveries go on', async () => {
    const [source, middle, target] = [embedded(), database(), embedded()]
    const deps = await depsOn(source)
    const workspace = await fillWorkspace(deps, 'shop')
    await deps.store.close()
    const first = await fileOf(source)
    expect(await adminJson(middle, ['import', first, '--take-over'])).toMatchObject({ took_data_keys: true, imported: { event: 12 } })
    const there = await fileOf(middle)
    expect(recordLines(textOf(there))).toEqual(recordLines(textOf(first)))
    await adminJson(target, ['import', there, '--take-over'])
    const back = await fileOf(target)
    expect(recordLines(textOf(back))).toEqual(recordLines(textOf(first)))
    for (const environment of [middle, target]) {
      const { keys, store, clock } = await depsOn(environment)
      expect(await keys.authenticate(workspace.secret)).toMatchObject({ outcome: 'known', principal: { workspaceId: 'shop' } })
      const { webhookId } = workspace.webhook
      const lane = { webhookId, replayId: null, limit: 10, maxBytes: 1e7, heldUntilUs: clock.nowUs() + 30_000_000, paces: [] }
      expect((await store.claimDeliveries(lane)).deliveries).toHaveLength(2)
      expect((await store.claimDeliveries({ ...lane, replayId: workspace.replayId })).deliveries.length).toBeGreaterThan(0)
    }
    const log = await adminJson(target, ['list-audit-log'])
    expect(log.entries).toMatchObject([{ action: 'workspace.exported' }, { action: 'workspace.imported', target: { id: 'shop' } }])
  })

  it('gives the deliveries of events that no server had the time for', async () => {
    const environment = database()
    const { store } = await depsOn(environment)
    const secrets = [{ sealed: 'AQ', expiresAtUs: null }]
    await store.saveWebhook(webhookRecord({ workspaceId: 'shop', secrets, events: ['suite.*'] }), { audit: null })
    await store.saveWebhook(webhookRecord({ workspaceId: 'busy', webhookId: '01932d5e-0000-7000-8000-000000000002', secrets }), {
      audit: null,
    })
    await store.createEvents(
      'shop',
      Array.from({ length: 7 }, () => newEvent()),
    )
    await store.createEvents('shop', [newEvent({ eventType: 'other' })])
    const { stdout } = await runAdmin(environment, EXPORT)
    expect(countLines(stdout)).toMatchObject({ event: 8, delivery: 7 })
  })

  it('has files for their owner alone, and overwrites none', async () => {
    const environment = database()
    await runAdmin(environment, ['create-workspace', 'shop'])
    const path = await fileOf(environment)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const again = await adminInThisProcess(environment, [...EXPORT, '--to', path])
    expect(again).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^[^\n]+is there already\.[^\n]+--resume[^\n]+\n$/) })
    const missing = await adminInThisProcess(environment, ['export', '--workspace', 'missing', '--to', join(temporaryDirectory(), 'x')])
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no workspace missing') })
    expect(await adminInThisProcess(environment, [...EXPORT, '--resume'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--to'),
    })
  })

  it('writes no secrets to a terminal', async () => {
    const environment = embedded()
    const said = { stdout: '', stderr: '' }
    const output = (name: 'stdout' | 'stderr') => ({
      isTTY: true,
      write: (text: string) => {
        said[name] += text
      },
    })
    const streams = { stdout: output('stdout'), stderr: output('stderr'), stdin: Readable.from([]) }
    expect(await runInThisProcess([...EXPORT, '--with-secrets'], environment, streams)).toBe(2)
    expect(said).toMatchObject({ stdout: '', stderr: expect.stringContaining('to a terminal') })
    expect(existsSync(join(environment.DATA_DIR, 'triggers.db'))).toBe(false)
  })

  it('says what is to be done after a copy without secrets', async () => {
    const source = embedded()
    const deps = await depsOn(source)
    const { keyId, secret, hidden } = await fillWorkspace(deps, 'shop')
    await deps.store.close()
    const { stdout } = await runAdmin(source, EXPORT)
    for (const value of [...hidden, secret]) expect(stdout).not.toContain(value)
    const target = { ...database(), ENCRYPTION_KEY: `other:${randomBytes(32).toString('base64')}` }
    const taking = await adminInThisProcess(target, ['import', '-', '--take-over'], stdout)
    expect(taking).toMatchObject({ code: 1, stderr: expect.stringContaining('without --with-secrets') })
    const report = await runAdmin(target, ['import', '-'], stdout)
    expect(report).toMatchObject({ code: 0, stderr: '' })
    for (const said of ['12 events', 'rotate-key', 'switch them on']) expect(report.stdout).toContain(said)
    const rotated = await adminJson(target, ['rotate-key', keyId])
    const { keys } = await depsOn(target)
    expect(await keys.authenticate(rotated.api_key)).toMatchObject({ outcome: 'known', principal: { workspaceId: 'shop' } })
    expect(await keys.authenticate(secret)).toEqual({ outcome: 'unknown' })
  })
})

describe('an export that was interrupted', () => {
  it('goes on behind the last line that is whole, wherever the file ends', async () => {
    const environment = embedded()
    const deps = await depsOn(environment)
    await fillWorkspace(deps, 'shop')
    const whole = textOf(await fileOf(environment))
    const path = join(temporaryDirectory(), 'torn')
    const resume = [...EXPORT, '--with-secrets', '--resume', '--to', path]
    const [header = ''] = whole.split('\n')
    for (const end of [
      header.length + 1,
      header.length + 2,
      ...[0.2, 0.5, 0.8, 0.99].map((share) => Math.floor(whole.length * share)),
      whole.length - 1,
    ]) {
      writeFileSync(path, whole.slice(0, end), { mode: 0o600 })
      expect(await adminInThisProcess(environment, resume), `${end}`).toMatchObject({ code: 0, stderr: '' })
      expect(textOf(path) === whole, `${end}`).toBe(true)
    }
    // As a power cut may leave it.
    writeFileSync(path, Buffer.concat([Buffer.from(whole.slice(0, whole.length / 2)), Buffer.alloc(5000)]))
    expect(await adminInThisProcess(environment, resume)).toMatchObject({ code: 0 })
    expect(textOf(path) === whole).toBe(true)
    expect(await adminInThisProcess(environment, resume)).toMatchObject({ code: 0, stdout: expect.stringContaining('is whole already') })
    expect(textOf(path) === whole).toBe(true)
  })

  it('does not go on with a file of something else, or one that others may read', async () => {
    const environment = embedded()
    for (const workspace of ['shop', 'other']) await adminInThisProcess(environment, ['create-workspace', workspace])
    const path = join(temporaryDirectory(), 'file')
    const resume = (...words: string[]) => adminInThisProcess(environment, ['export', '--resume', '--to', path, '--workspace', ...words])
    expect(await resume('shop')).toMatchObject({ code: 1, stderr: expect.stringContaining('ENOENT') })
    writeFileSync(path, 'My notes.\n', { mode: 0o600 })
    expect(await resume('shop')).toMatchObject({ code: 1, stderr: expect.stringContaining('is not the header') })
    writeFileSync(path, '')
    expect(await resume('shop')).toMatchObject({ code: 1, stderr: expect.stringContaining('has no header') })
    const { stdout } = await adminInThisProcess(environment, EXPORT)
    writeFileSync(path, stdout.slice(0, -20))
    expect(await resume('other')).toMatchObject({ code: 1, stderr: expect.stringContaining('is of the workspace shop') })
    expect(await resume('shop', '--with-secrets')).toMatchObject({ code: 1, stderr: expect.stringContaining('without --with-secrets') })
    const open = join(temporaryDirectory(), 'open')
    writeFileSync(open, stdout, { mode: 0o644 })
    expect(await adminInThisProcess(environment, [...EXPORT, '--resume', '--to', open])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`chmod 600 ${open}`),
    })
  })
})

describe('an import that was killed', () => {
  it('is complete when it is run again', async () => {
    const source = embedded()
    const { store } = await depsOn(source)
    for (let n = 0; n < 4; n++)
      await store.createEvents(
        'shop',
        Array.from({ length: 500 }, () => newEvent()),
      )
    await store.close()
    const { stdout: text } = await runAdmin(source, EXPORT)
    const target = database()
    const child = spawnAdmin(target, ['import', '-'])
    // It waits for the rest when it is killed.
    child.stdin?.write(text.slice(0, text.length / 2))
    const { store: there } = await depsOn(target)
    const query = { workspaceId: 'shop', filter: {}, order: 'asc', limit: 1, maxBytes: 1e6 } as const
    while ((await there.listEvents(query)).events.length === 0) await new Promise((resolve) => setTimeout(resolve, 50))
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('close', resolve))
    const report = await adminJson(target, ['import', '-'], text)
    expect(report.there_already.event).toBeGreaterThanOrEqual(500)
    expect(report.imported.event + report.there_already.event).toBe(2000)
    const { stdout } = await runAdmin(target, EXPORT)
    expect(recordLines(stdout)).toEqual(recordLines(text))
  })
})

describe('an import that cannot be', () => {
  it('says in one line which line is wrong, and how to go on', async () => {
    const source = database()
    await runAdmin(source, ['create-workspace', 'shop'])
    const { stdout } = await runAdmin(source, EXPORT)
    const target = database()
    const cut = stdout.trimEnd().split('\n').slice(0, -1)
    const { code, stdout: said, stderr } = await runAdmin(target, ['import', '-', '--json'], `${cut.join('\n')}\n`)
    expect({ code, said }).toEqual({ code: 1, said: '' })
    expect(stderr).toMatch(new RegExp(`^Line ${cut.length} is the last, and not the closing line: [^\\n]+ run it again [^\\n]+\\n$`))
    const missing = await runAdmin(target, ['import', join(temporaryDirectory(), 'missing')])
    expect(missing).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^The file [^\n]+ cannot be read \(ENOENT[^\n]+\n$/),
    })
  })
})

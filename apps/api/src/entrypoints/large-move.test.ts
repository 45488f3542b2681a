import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { newEvent } from '../adapters/conformance/harness.ts'
import { adminJson, depsOn, runAdmin, spawnAdmin } from '../testing/admin-process.ts'
import { countLines, recordLines } from '../testing/moves.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

const embedded = () => ({ DATA_DIR: temporaryDirectory() })

const EXPORT = ['export', '--workspace', 'shop']

/** An embedded database with a workspace of many events. */
async function manyEvents(count: number, bytes: number): Promise<{ DATA_DIR: string }> {
  const environment = embedded()
  const { store } = await depsOn(environment)
  const payload = `{"x":"${randomBytes(bytes / 2).toString('hex')}"}`
  for (let made = 0; made < count; made += 1000) {
    await store.createEvents(
      'shop',
      Array.from({ length: 1000 }, () => newEvent({ payload })),
    )
  }
  await store.close()
  return environment
}

describe('a large workspace', () => {
  it('goes through a small memory, and through a kill of either side', async () => {
    const source = await manyEvents(20_000, 4000)
    const path = join(temporaryDirectory(), 'large')
    const words = [...EXPORT, '--to', path]
    const child = spawnAdmin(source, words)
    const exited = new Promise((resolve) => child.once('close', resolve))
    await until(() => existsSync(path) && statSync(path).size > 1_000_000)
    child.kill('SIGKILL')
    await exited
    // Less than the events, in whatever form.
    const small = { NODE_OPTIONS: '--max-old-space-size=60' }
    expect(await runAdmin({ ...source, ...small }, [...words, '--resume'])).toMatchObject({ code: 0, stderr: '' })
    expect(statSync(path).size).toBeGreaterThan(80_000_000)

    const target = embedded()
    const importing = spawnAdmin(target, ['import', path])
    const ended = new Promise((resolve) => importing.once('close', resolve))
    await until(
      () => existsSync(join(target.DATA_DIR, 'triggers.db-wal')) && statSync(join(target.DATA_DIR, 'triggers.db-wal')).size > 8_000_000,
    )
    importing.kill('SIGKILL')
    await ended
    const report = await adminJson({ ...target, ...small }, ['import', path])
    expect(report.imported.event + report.there_already.event).toBe(20_000)
    expect(report.there_already.event).toBeGreaterThan(0)
    const copy = join(temporaryDirectory(), 'copy')
    await adminJson(target, [...EXPORT, '--to', copy])
    expect(withoutHeader(copy) === withoutHeader(path)).toBe(true)
  }, 120_000)

  it('tells how far it is, each 100,000 records where lines stay', async () => {
    const source = embedded()
    const { store } = await depsOn(source)
    await store.createEvents('shop', [newEvent()])
    const { stdout } = await runAdmin(source, EXPORT)
    const [line = ''] = recordLines(stdout).filter((one) => one.startsWith('{"event"'))
    const many = Array.from({ length: 100_001 }, () => line)
    const end = `{"end":${JSON.stringify({ ...countLines(stdout), event: many.length })}}`
    const text = [stdout.split('\n')[0], ...many, end, ''].join('\n')
    const { code, stderr } = await runAdmin(embedded(), ['import', '-'], text)
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^10000\d events up to line 10000\d\n$/) })
  }, 60_000)
})

function withoutHeader(path: string): string {
  const text = readFileSync(path, 'utf8')
  return text.slice(text.indexOf('\n'))
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 2))
}

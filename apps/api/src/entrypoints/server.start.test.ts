import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { runToExit, startServer } from '../testing/server-process.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

/** Expects one line on stderr that has the words, nothing on stdout, and exit code 1. */
async function expectRefusal(environment: Record<string, string>, ...words: (string | RegExp)[]): Promise<void> {
  const { code, stdout, stderr } = await runToExit(environment)
  expect(stderr).toMatch(/^[^\n]+\n$/)
  for (const word of words) expect(stderr).toMatch(word)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
}

describe('start', () => {
  it('says where the API, its docs and its data are, and the development key', async () => {
    const directory = join(temporaryDirectory(), 'made/on/the/way')
    const server = await startServer({ DATA_DIR: directory })
    expect(server.stdout().split('\n')).toEqual([
      `Triggers runs at ${server.url}/v1`,
      `  docs   ${server.url}/docs`,
      `  data   ${directory}`,
      expect.stringMatching(/^ {2}key {4}test-api-key-12345 /),
      '',
    ])
    expect((await server.request('/v1/health')).status).toBe(200)
    expect((await server.request('/docs')).status).toBe(200)
    expect((await server.request('/v1/whoami')).status).toBe(200)
    expect(readFileSync(join(directory, 'triggers.db')).subarray(0, 15).toString()).toBe('SQLite format 3')
    expect(server.stderr()).toBe('')
  })

  it('refuses a port in use', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void other.close())
    const address = other.address()
    if (typeof address !== 'object' || address === null) throw new Error('The other server has no port.')
    await expectRefusal({ DATA_DIR: temporaryDirectory(), PORT: String(address.port) }, 'port is in use', String(address.port), 'PORT')
  })

  it.each(['a file', 'a directory below a file', 'a place where nothing can be made'])('refuses a DATA_DIR that is %s', async (what) => {
    const file = join(temporaryDirectory(), 'file')
    writeFileSync(file, 'not a directory')
    // Root may write nearly everywhere, but not there.
    const path = { 'a file': file, 'a directory below a file': join(file, 'data') }[what] ?? '/proc/nowhere'
    await expectRefusal({ DATA_DIR: path }, path, 'Set DATA_DIR')
    expect(readFileSync(file, 'utf8')).toBe('not a directory')
  })

  it('refuses a data file that is no database, and leaves it alone', async () => {
    const directory = temporaryDirectory()
    const file = join(directory, 'triggers.db')
    const content = Buffer.alloc(8192, 'no database ')
    writeFileSync(file, content)
    await expectRefusal({ DATA_DIR: directory }, file, 'DATA_DIR')
    expect(readFileSync(file).equals(content)).toBe(true)
  })

  it.each(['PORT=eighty', 'PORT=70000', 'PORT=80.5', 'AUTH_MODE=other', 'HEADERS_TIMEOUT_MS=0', 'EVENT_TTL_DAYS=never', 'CORS_ORIGINS=*'])(
    'refuses %s by its name, and makes no data directory',
    async (setting) => {
      const [name = '', value = ''] = setting.split('=')
      const directory = join(temporaryDirectory(), 'data')
      await expectRefusal({ DATA_DIR: directory, [name]: value }, 'Wrong configuration', name)
      expect(() => readFileSync(directory)).toThrow('ENOENT')
    },
  )

  it('refuses to offer the well-known key to other machines', async () => {
    await expectRefusal({ DATA_DIR: temporaryDirectory(), HOST: '0.0.0.0' }, 'HOST=0.0.0.0', 'key')
  })

  it('refuses data of a newer version, and leaves it as it is to the byte', async () => {
    const directory = temporaryDirectory()
    const file = join(directory, 'triggers.db')
    const server = await startServer({ DATA_DIR: directory })
    server.kill('SIGTERM')
    await server.exited
    const db = new DatabaseSync(file)
    db.exec('PRAGMA user_version = 1000000')
    db.close()
    const before = readFileSync(file)
    await expectRefusal({ DATA_DIR: directory }, 'newer version', '1000000', 'DATA_DIR')
    expect(readdirSync(directory).sort()).toEqual(['encryption.key', 'triggers.db'])
    expect(readFileSync(file).equals(before)).toBe(true)
  })
})

import { execFile } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import { lockKeyFile, newMasterKey, readKeyFile, readOrMakeKeyFile, writeKeyFile } from './key-file.ts'

const FORM = /^file-[0-9a-f]{12}:[A-Za-z0-9+/]{43}=$/

describe('the key file', () => {
  it('is made with a random key, for its owner alone, and read again as it is', () => {
    const directory = temporaryDirectory()
    const text = readOrMakeKeyFile(directory)
    expect(text).toMatch(FORM)
    expect(statSync(join(directory, 'encryption.key')).mode & 0o777).toBe(0o600)
    expect(readOrMakeKeyFile(directory)).toBe(text)
    expect(readdirSync(directory)).toEqual(['encryption.key'])
    expect(readOrMakeKeyFile(temporaryDirectory())).not.toBe(text)
  })

  it('is one file for processes that make it together', async () => {
    const directory = temporaryDirectory()
    const module = pathToFileURL(join(import.meta.dirname, 'key-file.ts')).href
    const script = `import { readOrMakeKeyFile } from ${JSON.stringify(module)}; console.log(readOrMakeKeyFile(${JSON.stringify(directory)}))`
    const run = promisify(execFile)
    const runs = await Promise.all([1, 2, 3, 4].map(() => run(process.execPath, ['--input-type=module', '--eval', script])))
    const texts = new Set(runs.map(({ stdout }) => stdout.trim()))
    expect([...texts]).toEqual([readFileSync(join(directory, 'encryption.key'), 'utf8').trim()])
    expect(readdirSync(directory)).toEqual(['encryption.key'])
  })

  it.each([0o640, 0o604, 0o660, 0o620])('is refused when others have rights on it (mode %o)', (mode) => {
    const directory = temporaryDirectory()
    const text = readOrMakeKeyFile(directory)
    const path = join(directory, 'encryption.key')
    chmodSync(path, mode)
    expect(() => readOrMakeKeyFile(directory)).toThrow(`chmod 600 ${path}`)
    expect(readFileSync(path, 'utf8').trim()).toBe(text)
    chmodSync(path, 0o600)
    expect(readOrMakeKeyFile(directory)).toBe(text)
  })

  it('is refused when it is empty, and not made anew', () => {
    const directory = temporaryDirectory()
    const path = join(directory, 'encryption.key')
    writeFileSync(path, ' \n', { mode: 0o600 })
    expect(() => readOrMakeKeyFile(directory)).toThrow(`${path} is empty`)
    expect(readFileSync(path, 'utf8')).toBe(' \n')
  })

  it('is not made by reading', () => {
    const directory = temporaryDirectory()
    expect(readKeyFile(directory)).toBeUndefined()
    expect(existsSync(join(directory, 'encryption.key'))).toBe(false)
  })

  it('is replaced whole, and stays for its owner alone', () => {
    const directory = temporaryDirectory()
    const both = `${newMasterKey()},${readOrMakeKeyFile(directory)}`
    writeKeyFile(directory, both)
    expect(readOrMakeKeyFile(directory)).toBe(both)
    expect(statSync(join(directory, 'encryption.key')).mode & 0o777).toBe(0o600)
    expect(readdirSync(directory)).toEqual(['encryption.key'])
  })

  it('is changed by one process at a time', () => {
    const directory = temporaryDirectory()
    const unlock = lockKeyFile(directory)
    expect(() => lockKeyFile(directory)).toThrow('Another process is changing the encryption key')
    unlock()
    lockKeyFile(directory)()
  })
})

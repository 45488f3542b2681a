import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { commands } from '../admin/commands.ts'
import { adminInThisProcess, runAdmin } from '../testing/admin-process.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

const ONE_LINE = /^[^\n]+\n$/

describe('the help', () => {
  it('lists every command', async () => {
    const { code, stdout, stderr } = await runAdmin({}, ['--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const { name, summary } of commands) expect(stdout).toMatch(new RegExp(`^ {2}${name} +${summary}$`, 'm'))
    expect(stdout).toContain('Exit codes: 0 done, 1 failed, 2 wrong usage.')
  })

  it.each(commands.map((command) => [command.name, command] as const))('of %s has its options and exit codes', async (name, command) => {
    const directory = join(temporaryDirectory(), 'data')
    const { code, stdout, stderr } = await runAdmin({ DATA_DIR: directory }, [name, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain(`Usage: pnpm admin ${name}`)
    if (command.argument !== undefined) expect(stdout).toMatch(new RegExp(`^ {2}${command.argument.name} `, 'm'))
    for (const option of [...Object.keys(command.options), 'json', 'help']) expect(stdout).toMatch(new RegExp(`^ {2}--${option} `, 'm'))
    expect(stdout).toContain('Exit codes: 0 done, 1 failed, 2 wrong usage.')
    expect(existsSync(directory)).toBe(false)
  })
})

describe('wrong usage', () => {
  it.each(commands.map(({ name }) => name))('of %s is one line with exit code 2', async (name) => {
    const directory = join(temporaryDirectory(), 'data')
    const { code, stdout, stderr } = await runAdmin({ DATA_DIR: directory }, [name, '--no-such-option'])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toBe(`Unknown option '--no-such-option'. \`pnpm admin ${name} --help\` tells more.\n`)
    expect(existsSync(directory)).toBe(false)
  })

  it.each<[words: string[], ...said: string[]]>([
    [['make-key'], 'There is no such command', '--help'],
    [['create-workspace'], 'WORKSPACE_ID is missing'],
    [['create-workspace', '../etc'], 'WORKSPACE_ID must have 1 to 64 characters'],
    [['create-workspace', 'a', 'b'], 'Too many arguments'],
    [['list-workspaces', '--all'], "Unknown option '--all'"],
    [['create-key', '--name', 'a'], '--workspace is missing'],
    [['create-key', '--workspace', 'default'], '--name is missing'],
    [['create-key', '--workspace', 'default', '--name', ' '], '--name needs a value'],
    [['create-key', '--workspace', 'default', '--name'], '--name'],
    [['create-key', '--workspace', 'default', '--name', 'a', '--name', 'b'], '--name is given twice'],
    [['create-key', '--workspace', 'default', '--name', 'x'.repeat(101)], '--name must have at most 100 characters'],
    [['create-key', '--workspace', 'default', '--name', 'a', '--scopes', 'events:write,all'], '--scopes must be one of', 'keys:manage'],
    [['create-key', '--workspace', 'default', '--name', 'a', '--rate-limit', '1e9'], '--rate-limit must be a whole number from 0'],
    [['create-key', '--workspace', 'default', '--name', 'a', '--allowed-ips', '10.0.0.256'], '--allowed-ips must be an IPv4 or IPv6'],
    [['create-key', '--workspace', 'default', '--name', 'a', '--expires-at', 'soon'], '--expires-at must be an ISO 8601'],
    [['list-keys', '--workspace', '..'], '--workspace must have'],
    [['rotate-key'], 'KEY_ID is missing'],
    [['rotate-key', 'key_1', '--transition-days', '91'], '--transition-days must be a whole number from 1 to 90'],
    [['rotate-key', 'key_1', '--transition-days', '7', '--revoke-previous'], 'not both'],
    [['revoke-key'], 'KEY_ID is missing'],
    [['rotate-old-keys'], '--older-than-days is missing'],
    [['rotate-old-keys', '--older-than-days', '0'], '--older-than-days must be a whole number from 1'],
    [['import-keys'], 'FILE is missing'],
    [['change-encryption-key', 'now'], 'Too many arguments'],
    [['list-audit-log', '--created-after', '30 February'], '--created-after must be an ISO 8601'],
    [['list-audit-log', '--limit', '0'], '--limit must be a whole number from 1'],
    [['migrate', '--writes-per-second', '0'], '--writes-per-second must be a whole number from 1'],
    [['set-shards', '--shards', '4'], '--workspace is missing'],
    [['set-shards', '--workspace', 'default'], '--shards is missing'],
    [['set-shards', '--workspace', 'default', '--shards', '12'], '--shards must be a power of two'],
    [['set-shards', '--workspace', 'default', '--shards', '512'], '--shards must be a whole number from 1 to 256'],
    [['list-audit-log', '--json=yes'], '--json'],
  ])('names what is wrong, and touches no data: %j', async (words, ...said) => {
    const directory = join(temporaryDirectory(), 'data')
    const { code, stdout, stderr } = await adminInThisProcess({ DATA_DIR: directory }, words)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(ONE_LINE)
    for (const text of said) expect(stderr).toContain(text)
    expect(existsSync(directory)).toBe(false)
  })

  it('is answered with the list of commands when there is no command', async () => {
    const { code, stdout, stderr } = await runAdmin({}, [])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    for (const { name } of commands) expect(stderr).toContain(name)
  })

  it('does not repeat a secret that stands in the place of an id', async () => {
    for (const words of [['revoke-key', 'canary-key-1'], ['list-workspaces', 'canary-key-1'], ['canary-key-1']]) {
      const { code, stderr } = await adminInThisProcess({ DATA_DIR: temporaryDirectory() }, words)
      expect(code).toBe(2)
      expect(stderr).not.toContain('canary')
    }
  })
})

describe('a failure', () => {
  it.each<[what: string, environment: Record<string, string>, said: string]>([
    ['a wrong setting', { ENCRYPTION_KEY: 'not-a-key' }, 'ENCRYPTION_KEY'],
    ['AUTH_MODE=keys without ENCRYPTION_KEY', { AUTH_MODE: 'keys' }, 'ENCRYPTION_KEY'],
  ])('from %s is one line with exit code 1', async (_, environment, said) => {
    const { code, stdout, stderr } = await runAdmin({ DATA_DIR: temporaryDirectory(), ...environment }, ['list-workspaces', '--json'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(ONE_LINE)
    expect(stderr).toContain(said)
  })

  it('from a data directory that cannot be used is one line with exit code 1, which names it', async () => {
    const file = join(temporaryDirectory(), 'file')
    writeFileSync(file, '')
    const { code, stdout, stderr } = await runAdmin({ DATA_DIR: file }, ['list-keys'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(ONE_LINE)
    expect(stderr).toContain(file)
  })

  it('from a key file that others may read is one line with exit code 1, which says what to do', async () => {
    const directory = join(temporaryDirectory(), 'data')
    mkdirSync(directory)
    writeFileSync(join(directory, 'encryption.key'), 'k:AAAA', { mode: 0o644 })
    const { code, stdout, stderr } = await runAdmin({ DATA_DIR: directory }, ['list-keys'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(ONE_LINE)
    expect(stderr).toContain(`chmod 600 ${join(directory, 'encryption.key')}`)
  })
})

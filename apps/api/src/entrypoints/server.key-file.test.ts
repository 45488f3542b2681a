import { createHash, createHmac } from 'node:crypto'
import { existsSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { adminJson, runAdmin } from '../testing/admin-process.ts'
import { runToExit, startServer } from '../testing/server-process.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

function signed(secret: string, path: string): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000))
  const text = ['GET', path, '', timestamp, createHash('sha256').digest('hex')].join('\n')
  const signature = createHmac('sha256', secret).update(text).digest('base64')
  return { 'x-signature-version': 'v1', 'x-signature-timestamp': timestamp, 'x-signature': signature }
}

it('goes on beside a change of the key file, and after a restart', async () => {
  const environment = { DATA_DIR: temporaryDirectory() }
  const server = await startServer(environment)
  expect(statSync(join(environment.DATA_DIR, 'encryption.key')).mode & 0o777).toBe(0o600)
  const makeKey = async () => {
    const body = { name: 'signing', scopes: ['events:read'], require_signature: true }
    return (await server.request('/v1/api-keys', { method: 'POST', body })).json() as Promise<{ api_key: string; signing_secret: string }>
  }
  const ask = async (url: string, { api_key, signing_secret }: { api_key: string; signing_secret: string }) =>
    (await fetch(`${url}/v1/whoami`, { headers: { 'x-api-key': api_key, ...signed(signing_secret, '/v1/whoami') } })).status

  const before = await makeKey()
  expect((await adminJson(environment, ['change-encryption-key'])).changed).toBe(true)
  // Its look-up finds a secret that was sealed anew, under a key that the server has not seen.
  expect(await ask(server.url, before)).toBe(200)
  const after = await makeKey()
  expect(await ask(server.url, after)).toBe(200)

  server.kill('SIGTERM')
  expect((await server.exited).code).toBe(0)
  const restarted = await startServer(environment)
  expect([await ask(restarted.url, before), await ask(restarted.url, after)]).toEqual([200, 200])
})

it('makes no key file in place of one that was lost', async () => {
  const environment = { DATA_DIR: temporaryDirectory() }
  const file = join(environment.DATA_DIR, 'encryption.key')
  const first = await startServer(environment)
  first.kill('SIGTERM')
  await first.exited
  renameSync(file, `${file}.away`)
  for (const { code, stderr } of [await runToExit(environment), await runAdmin(environment, ['list-workspaces'])]) {
    expect(code).toBe(1)
    expect(stderr).toMatch(/^The data in .* is encrypted, and its encryption\.key is missing\. Put the file back .*\.\n$/)
  }
  expect(existsSync(file)).toBe(false)
  renameSync(`${file}.away`, file)
  await startServer(environment)
  rmSync(file)
})

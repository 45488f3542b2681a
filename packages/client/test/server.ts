/** The real server, as an operator runs it: a process of its own, on a free port, with a data directory of its own. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ENTRYPOINT = join(import.meta.dirname, '../../../apps/api/src/entrypoints/server.mjs')

export interface TestServer {
  /** Without `/v1`. */
  url: string
  /** The development key: it has every scope of the workspace `default`. */
  apiKey: string
  /** Ends the process, and removes its data. */
  stop(): Promise<void>
}

/** Starts a server and waits until it listens. Stop it in `afterAll`; it also ends with this process. */
export async function startServer(environment: Record<string, string> = {}): Promise<TestServer> {
  const directory = mkdtempSync(join(tmpdir(), 'triggers-client-'))
  const { PATH = '' } = process.env
  const child = spawn(process.execPath, [ENTRYPOINT], {
    env: { PATH, PORT: '0', DATA_DIR: directory, RATE_LIMIT_PER_MINUTE: '0', LOG_LEVEL: 'error', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  let output = ''
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk
      const welcome = /^Triggers runs at (http:\/\/\S+)\/v1$/m.exec(output)
      if (welcome?.[1] !== undefined) resolve(welcome[1])
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    void closed.then(() => reject(new Error(`The server did not start: ${output}`)))
  })
  return {
    url,
    apiKey: 'test-api-key-12345',
    async stop() {
      process.removeListener('exit', kill)
      kill()
      await closed
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

import { resolve } from 'node:path'
import { buildApp } from './app.ts'
import { type Config, parseConfig } from './config.ts'
import { buildDeps, type Deps } from './deps.ts'
import { DEVELOPMENT_KEY } from './domain/key-ring.ts'
import { listen, stopListening } from './http-server.ts'
import { startRecordKeyUse } from './workers/record-key-use.ts'
import { startWorkers } from './workers/start-workers.ts'
import { startSweep } from './workers/sweep.ts'

/**
 * Runs the server until SIGTERM or SIGINT. Whatever keeps it from starting is said in one line, with exit code 1.
 * @param environment the process's
 */
export async function runServer(environment: Record<string, string | undefined>): Promise<void> {
  try {
    await start(parseConfig(environment))
  } catch (error) {
    process.stderr.write(`${startFailure(error)}\n`)
    process.exitCode = 1
  }
}

async function start(config: Config): Promise<void> {
  const deps = await buildDeps(config)
  const server = await listen(buildApp(deps).fetch, deps).catch(async (error: unknown) => {
    await deps.queue.close()
    await deps.store.close()
    throw error
  })
  const stopSweep = startSweep(deps.store, deps.log)
  const stopRecording = startRecordKeyUse(deps.keys, deps.store, deps.log)
  const stopWorkers = startWorkers(deps)
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : config.port
  printWelcome(`http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`, config)

  let stopping = false
  const stop = () => {
    // A second signal ends it at once: what was answered is on the disk.
    if (stopping) process.exit(1)
    stopping = true
    void finish(deps, async () => {
      await Promise.all([stopListening(server, config.shutdownTimeoutMs), stopWorkers()])
      await Promise.all([stopSweep(), stopRecording(), deps.httpOut.close()])
    })
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // The terminal was closed: no second signal, as it may come on top of one.
  process.on('SIGHUP', () => {
    if (!stopping) stop()
  })
}

async function finish(deps: Deps, stopWork: () => Promise<void>): Promise<void> {
  await stopWork()
  await deps.queue.close()
  await deps.store.close()
  process.exit(0)
}

function printWelcome(url: string, config: Config): void {
  process.stdout.write(
    [
      `Triggers runs at ${url}/v1`,
      `  docs   ${url}/docs`,
      `  data   ${config.store === 'sqlite' ? resolve(config.dataDirectory) : `DynamoDB, tables ${config.dynamodb.tablePrefix}*`}`,
      config.authMode === 'local'
        ? `  key    ${DEVELOPMENT_KEY}  (for development: this machine only)`
        : '  keys   made with `pnpm admin create-key`, or by a key that may manage keys',
      '',
    ].join('\n'),
  )
}

/** One line for the operator: what is wrong, and what to do. */
function startFailure(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const message = error instanceof Error ? error.message : String(error)
  switch (code) {
    case 'EADDRINUSE':
      return `The port is in use (${message}). Stop the other program, or set PORT to a free one.`
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
    case 'EEXIST':
    case 'ENOENT':
    case 'ENOSPC':
      return `Cannot use what the configuration names (${message}). Set DATA_DIR to a directory that can be written, or PORT to a port from 1024 on.`
    default:
      return message
  }
}

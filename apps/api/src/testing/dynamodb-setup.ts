/** One DynamoDB and one SQS for all files of a run, where the environment names none. */
import { DYNAMODB_LOCAL, ELASTICMQ } from './java-programs.ts'
import { type JavaServer, missingPrograms, startJavaServer } from './java-server.ts'

const SERVERS = [
  { program: DYNAMODB_LOCAL, purpose: 'tests of DynamoDB', variable: 'DYNAMODB_ENDPOINT_URL' },
  { program: ELASTICMQ, purpose: 'tests of SQS', variable: 'SQS_ENDPOINT_URL' },
]

/** Whether both can be had here; said on standard error, if not. For vitest's configuration. */
export function canRunDynamodb(): boolean {
  for (const { program, purpose, variable } of SERVERS) {
    const missing = process.env[variable] === undefined ? missingPrograms(program) : undefined
    if (missing === undefined) continue
    process.stderr.write(`SKIPPED: ${purpose}, and all others of STORE=dynamodb, since ${missing}, and ${variable} names no server.\n`)
    return false
  }
  return true
}

/** For vitest's `globalSetup`: what it sets in the environment reaches every test file. @returns how to end them */
export async function setup(): Promise<() => Promise<void>> {
  const started: (JavaServer | undefined)[] = []
  for (const { program, ...what } of SERVERS) {
    if (process.env[what.variable] !== undefined) continue
    const server = await startJavaServer(program, what)
    if (server !== undefined) process.env[what.variable] = server.url
    started.push(server)
  }
  return async () => {
    for (const server of started) await server?.stop()
  }
}

/**
 * Fills the compile cache (see src/compile-cache.mjs) after an installation or an upgrade, in a process of its own, so
 * that the server never strips types itself. Plain JavaScript: this file must not need the stripper either.
 */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'

const source = new URL('../src/', import.meta.url)
const directory = new URL('../node_modules/.cache/compile/', import.meta.url)
const stamp = new URL('stamp', directory)

/** Changes with any file of the source, and with the Node that compiles it. */
function state() {
  const times = readdirSync(source, { recursive: true }).map((name) => statSync(new URL(name, source)).mtimeMs)
  return `${process.version} ${times.length} ${Math.max(...times)}`
}

function isWarm() {
  try {
    return readFileSync(stamp, 'utf8') === state()
  } catch {
    return false
  }
}

if (!isWarm()) {
  try {
    mkdirSync(directory, { recursive: true })
    const { useCompileCache } = await import('../src/compile-cache.mjs')
    useCompileCache()
    await import('../src/run-server.ts')
    // Compiled when loaded; outside a thread they then refuse to run.
    for (const thread of ['writer', 'reader', 'checkpoint']) await import(`../src/adapters/sqlite/${thread}-thread.ts`).catch(() => {})
    writeFileSync(stamp, state())
  } catch (error) {
    // A read-only checkout: the server works without, with some more memory.
    process.stderr.write(`The compile cache could not be filled (${error instanceof Error ? error.message : error}).\n`)
  }
}

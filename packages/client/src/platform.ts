/** What the client takes from where it runs; everything that is not there everywhere is guarded. */
import { hexOf } from './signing.ts'

/** The clock, the dice and the timer, which tests replace. */
export interface Platform {
  nowMs(): number
  random(): number
  /** Resolves after the time, or rejects with the signal's reason as soon as that is aborted. */
  wait(delayMs: number, signal?: AbortSignal): Promise<void>
}

export const systemPlatform: Platform = { nowMs: () => Date.now(), random: () => Math.random(), wait }

function wait(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, delayMs)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** @returns a random UUID, also in a page that came without TLS, where `crypto.randomUUID` is missing */
export function newUuid(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID()
  const bytes = crypto
    .getRandomValues(new Uint8Array(16))
    .map((byte, at) => (at === 6 ? (byte & 0x0f) | 0x40 : at === 8 ? (byte & 0x3f) | 0x80 : byte))
  return hexOf(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

interface Runtimes {
  process?: { env?: Record<string, string | undefined>; versions?: Record<string, string | undefined> }
}

// Typed as what may be missing: no platform has all of it.
const runtimes: Runtimes = globalThis

/** @returns the environment variable, or undefined where it is empty, not set, or there is no environment to read */
export function environment(name: string): string | undefined {
  try {
    return runtimes.process?.env?.[name] || undefined
  } catch {
    // Deno asks for a permission, and throws without it.
    return undefined
  }
}

/** @returns such as `node/24.1.0`; undefined in a browser or a worker */
export function runtimeName(): string | undefined {
  const versions = runtimes.process?.versions
  const name = (['bun', 'deno', 'node'] as const).find((candidate) => versions?.[candidate] !== undefined)
  return name && `${name}/${versions?.[name]}`
}

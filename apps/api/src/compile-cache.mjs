import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

/**
 * Keeps the compiled form of the TypeScript source beside the packages, and uses it in this thread and those that it
 * starts: a start then neither strips types nor holds the stripper in memory (some 15 MB a thread). Plain JavaScript, as is the server's
 * entrypoint: what is loaded before it would load the stripper.
 */
export function useCompileCache() {
  const directory = fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url))
  enableCompileCache({ directory, portable: true })
  process.env['NODE_COMPILE_CACHE'] = directory
  process.env['NODE_COMPILE_CACHE_PORTABLE'] = '1'
}

/** The embedded server: one process, one directory. */
import { useCompileCache } from '../compile-cache.mjs'

useCompileCache()
const { runServer } = await import('../run-server.ts')
await runServer(process.env)

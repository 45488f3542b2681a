/** The operator's commands, on the server's database. */
import { useCompileCache } from '../compile-cache.mjs'

useCompileCache()
const { runAdmin } = await import('../admin/run-admin.ts')
process.stdout.on('error', (error) => {
  process.stderr.write(`Standard output cannot be written (${error.message}): what was printed is not all.\n`)
  process.exit(1)
})
process.exitCode = await runAdmin(process.argv.slice(2), process.env, process)

/** Writes the types of the API's document, and the package's version, beside the code that uses them: `pnpm generate`. */
import { writeFileSync } from 'node:fs'
import { generatedFiles } from './generated-files.ts'

for (const [path, text] of await generatedFiles()) writeFileSync(new URL(`../${path}`, import.meta.url), text)

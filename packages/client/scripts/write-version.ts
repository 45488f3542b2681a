/** Before each build: a release changes the version in package.json alone. */
import { writeFileSync } from 'node:fs'
import { versionFile } from './generated-files.ts'

const [path, text] = await versionFile()
writeFileSync(new URL(`../${path}`, import.meta.url), text)

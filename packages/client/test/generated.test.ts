import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { generatedFiles } from '../scripts/generated-files.ts'

it('holds what `pnpm generate` would write: neither stale nor edited by hand', async () => {
  for (const [path, text] of await generatedFiles()) {
    const committed = await readFile(new URL(`../${path}`, import.meta.url), 'utf8')
    // Not toBe: a diff of all the types helps nobody.
    expect(committed === text, `${path} is not what \`pnpm generate\` makes of apps/api/openapi.json and package.json`).toBe(true)
  }
})

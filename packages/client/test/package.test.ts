import { execFileSync } from 'node:child_process'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { build } from 'vite'
import { describe, expect, it } from 'vitest'
import { readManifest } from './publishing/consumers.ts'
import { PACKAGE, packPackage, temporaryFolder, unpack } from './publishing/packed.ts'

const MAX_BYTES = 12_000
const tarball = packPackage()
const unpacked = unpack(tarball)
const files = globSync('**/*.*', { cwd: unpacked }).concat(globSync('LICENSE', { cwd: unpacked }))

describe('the packed client', { timeout: 60_000 }, () => {
  it('holds what users need, and nothing else', () => {
    const dist = ['cjs', 'cjs.map', 'd.cts', 'd.ts', 'js', 'js.map'].map((ending) => `dist/index.${ending}`)
    expect(files.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', ...dist, 'package.json'].sort())
    expect(readFileSync(join(unpacked, 'LICENSE'), 'utf8')).toBe(readFileSync(join(PACKAGE, '../../LICENSE'), 'utf8'))
  })

  it('has axios as its only dependency, and no version that only this workspace knows', () => {
    const { dependencies } = readManifest(unpacked)
    expect(Object.keys(dependencies ?? {})).toEqual(['axios'])
    expect(readFileSync(join(unpacked, 'package.json'), 'utf8')).not.toMatch(/"(workspace|catalog|link|file):/)
  })

  it('is as publint wants it', async () => {
    const { messages, pkg } = await publint({ pkgDir: unpacked, pack: false, strict: true })
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
  })

  it('has types that every kind of resolution finds, as attw sees it', () => {
    const attw = join(PACKAGE, 'node_modules/@arethetypeswrong/cli/dist/index.js')
    expect(execFileSync(process.execPath, [attw, tarball, '--no-color', '--format', 'ascii'], { encoding: 'utf8' })).toContain(
      'No problems found',
    )
  })

  it('names axios in no type', () => {
    for (const path of ['dist/index.d.ts', 'dist/index.d.cts']) expect(readFileSync(join(unpacked, path), 'utf8')).not.toMatch(/axios/i)
  })

  it('names no path of the machine that built it', () => {
    for (const path of files) expect(readFileSync(join(unpacked, path), 'utf8').includes(join(PACKAGE, '..')), path).toBe(false)
  })

  it('has the size that the README states, below the limit', async () => {
    const bytes = await minifiedGzippedBytes()
    console.log(`@triggers/client, all of it, without axios: ${(bytes / 1000).toFixed(1)} kB minified and gzipped`)
    expect(bytes).toBeLessThan(MAX_BYTES)
    const [, stated] = /(\d+(?:\.\d+)?) kB minified and gzipped/.exec(readFileSync(join(unpacked, 'README.md'), 'utf8')) ?? []
    expect(Math.abs(Number(stated) - bytes / 1000), `the README says ${stated} kB`).toBeLessThan(0.15)
  })
})

/** The size of all that the package exports, bundled for the browser; axios is a dependency of its own. */
async function minifiedGzippedBytes(): Promise<number> {
  const folder = temporaryFolder()
  const entry = join(folder, 'index.js')
  writeFileSync(entry, `import * as client from ${JSON.stringify(join(unpacked, 'dist/index.js'))}\nglobalThis.client = client\n`)
  await build({
    root: folder,
    logLevel: 'silent',
    configFile: false,
    build: { outDir: 'out', minify: true, target: 'es2022', modulePreload: false, rolldownOptions: { input: entry, external: ['axios'] } },
  })
  const [path = '', ...others] = globSync('out/assets/*.js', { cwd: folder })
  expect(others).toEqual([])
  return gzipSync(readFileSync(join(folder, path)), { level: 9 }).byteLength
}

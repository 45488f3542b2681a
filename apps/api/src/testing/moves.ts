/** Workspaces that are exported and imported, on embedded stores. */
import { onTestFinished } from 'vitest'
import { parseConfig } from '../config.ts'
import { type Deps, depsOf } from '../deps.ts'
import { exportHeader, exportWorkspace } from '../domain/export-workspace.ts'
import { type ImportOptions, type ImportReport, importWorkspace } from '../domain/import-workspace.ts'
import { lineOf } from '../domain/moved-out.ts'
import { type Counts, MOVED_KINDS, noCounts } from '../domain/moved-records.ts'
import { type MasterKey, openVault } from '../domain/vault.ts'
import { FakeClock } from './fake-clock.ts'
import { type FullWorkspace, fillWorkspace } from './full-workspace.ts'
import { temporaryStore } from './temporary-store.ts'
import { masterKey } from './vault-keys.ts'

const MASTER = masterKey('main')

/** An installation with a database of its own. */
export interface Place {
  deps: Deps
  clock: FakeClock
  master: MasterKey
}

/** @param master the same for all, unless told */
export async function newPlace(master = MASTER): Promise<Place> {
  const clock = new FakeClock()
  const { store } = await temporaryStore(clock)
  const deps = depsOf(parseConfig({ LOG_LEVEL: 'silent' }), store, store.queue, await openVault(store, [master]), clock)
  onTestFinished(() => deps.httpOut.close())
  return { deps, clock, master }
}

/** One with a workspace `shop` that has something of everything. */
export async function fullPlace(): Promise<{ source: Place; workspace: FullWorkspace; text: string }> {
  const source = await newPlace()
  const workspace = await fillWorkspace(source.deps, 'shop')
  return { source, workspace, text: await exported(source) }
}

/** The file of the workspace `shop`. */
export async function exported({ deps }: Place, withSecrets = true): Promise<string> {
  const source = { store: deps.store, workspaceId: 'shop', withSecrets }
  let text = lineOf('header', exportHeader(source, deps.clock))
  for await (const step of exportWorkspace(source)) text += step.text
  return text
}

export function imported({ deps, master }: Place, text: string | Uint8Array, options: Partial<ImportOptions> = {}): Promise<ImportReport> {
  const { store, clock } = deps
  const all = { store, clock, masterKeys: [master], eventTtlDays: 7, takeOver: true, fromLine: 1, onProgress: () => {}, ...options }
  return importWorkspace(all, chunksOf(text))
}

async function* chunksOf(text: string | Uint8Array): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let from = 0; from < bytes.length; from += 10_000) yield bytes.subarray(from, from + 10_000)
}

/** The lines of records, without those that say when and how far. */
export function recordLines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '' && !/^\{"(header|cursor)"/.test(line))
}

export function countLines(text: string): Counts {
  const counts = noCounts()
  for (const kind of MOVED_KINDS) counts[kind] = recordLines(text).filter((line) => line.startsWith(`{"${kind}"`)).length
  return counts
}

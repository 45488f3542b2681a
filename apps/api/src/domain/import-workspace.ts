import type { ImportOutcome } from '../move-ports.ts'
import type { Clock, Store } from '../ports.ts'
import { adoptDataKeys } from './moved-data-keys.ts'
import { isExpired, type Landed, type Landing, landed, writeLanded } from './moved-into.ts'
import { kindOf, parseEnd, parseHeader, parseRecord } from './moved-lines.ts'
import { type Counts, type ExportHeader, MOVED_KINDS, type MovedKind, type MovedRecord, noCounts } from './moved-records.ts'
import { LineError, linesOf, type TextLine } from './text-lines.ts'
import { type MasterKey, openVault } from './vault.ts'

/** The data key without which no hash in the file is any good. */
const HASH_KEY = 'api-key-hash'
/** Records of one call to the store: none is kept waiting for long. */
const BATCH_RECORDS = 500
const BATCH_BYTES = 2_000_000

export interface ImportOptions {
  store: Store
  clock: Clock
  masterKeys: readonly MasterKey[]
  eventTtlDays: number
  /** Whether the workspace goes on here: webhooks that were active are, and what is pending is sent. */
  takeOver: boolean
  /** Records on lines before it are passed over. */
  fromLine: number
  /** Told what was read, now and then. */
  onProgress(read: Counts, line: number): void
}

export interface ImportReport {
  header: ExportHeader
  written: Counts
  /** Were there, and stay as they are. */
  there: Counts
  /** Left out: their life is over. */
  expired: Counts
  /** Whether the store has other data keys than before. */
  hasOtherDataKeys: boolean
}

interface Pending {
  kind: MovedKind
  lines: number[]
  records: Landed[]
  bytes: number
}

/** Why the store takes a record of that kind no more than this. */
const REFUSED = 'cannot be taken: its id'
const REFUSALS: Record<MovedKind, string> = {
  data_key: REFUSED,
  api_key: `(api_key) ${REFUSED}, or a secret of it, is another key's`,
  webhook: `(webhook) ${REFUSED} is another workspace's`,
  event: `(event) ${REFUSED} is none that this database can have`,
  idempotency_key: `(idempotency_key) ${REFUSED} is none that this database can have`,
  replay: `(replay) ${REFUSED} is another webhook's, or its webhook is not there`,
  delivery: `(delivery) ${REFUSED} is another webhook's, or its webhook is not there`,
  audit_entry: `(audit_entry) ${REFUSED} is another workspace's`,
}

/**
 * Takes in a workspace as `exportWorkspace` has written it. A record that is there stays as it is, so that it can be repeated, and two may run at once.
 * Nothing is written before the header and the data keys are found good.
 * @throws LineError for a line that cannot be taken; what is before it was written, and what is behind it was not, but for lines close by
 * @throws StoreUnavailableError
 */
export async function importWorkspace(options: ImportOptions, chunks: AsyncIterable<Uint8Array>): Promise<ImportReport> {
  const { store, clock, fromLine, onProgress } = options
  const lines = linesOf(chunks)
  const header = await readHeader(lines, options)
  const { workspaceId } = header
  const report: ImportReport = { header, written: noCounts(), there: noCounts(), expired: noCounts(), hasOtherDataKeys: false }
  const read = noCounts()
  const dataKeys: MovedRecord<'data_key'>[] = []
  let landing: Landing | undefined
  let pending: Pending | undefined

  async function land(): Promise<Landing> {
    if (header.withSecrets && !dataKeys.some(({ name }) => name === HASH_KEY)) {
      throw new LineError(2, 'is no data key, and the header says that the file has secrets')
    }
    report.hasOtherDataKeys = await adoptDataKeys(store, dataKeys, options.masterKeys)
    await store.importWorkspace(workspaceId)
    return {
      header,
      takeOver: options.takeOver,
      nowUs: clock.nowUs(),
      // Behind the keys, whoever put them there.
      vault: await openVault(store, options.masterKeys),
      placeBehind: (eventId) => store.placeBehind(workspaceId, eventId),
    }
  }

  async function flush(): Promise<void> {
    const batch = pending
    pending = undefined
    if (batch === undefined) return
    const outcomes: ImportOutcome[] = await writeLanded(store, workspaceId, batch.kind, batch.records)
    const refused = outcomes.indexOf('refused')
    for (const outcome of outcomes) if (outcome !== 'refused') report[outcome][batch.kind]++
    if (refused >= 0) throw new LineError(batch.lines[refused] ?? 0, REFUSALS[batch.kind])
    onProgress(read, batch.lines.at(-1) ?? 0)
  }

  async function take(line: TextLine, kind: MovedKind): Promise<void> {
    const parsed = parseRecord(line, kind)
    if (parsed.kind === 'data_key') {
      if (!header.withSecrets || landing !== undefined) throw new LineError(line.number, 'has a data key where there can be none')
      dataKeys.push(parsed.record)
      return
    }
    landing ??= await land()
    if (line.number < fromLine) return
    if (isExpired(parsed, options.eventTtlDays, clock.nowUs())) {
      report.expired[kind]++
      return
    }
    const record = await landed(landing, parsed, line.number)
    const isFull = pending !== undefined && (pending.records.length >= BATCH_RECORDS || pending.bytes + line.bytes.length > BATCH_BYTES)
    if (isFull || pending?.kind !== kind) await flush()
    pending ??= { kind, lines: [], records: [], bytes: 0 }
    pending.lines.push(line.number)
    pending.records.push(record)
    pending.bytes += line.bytes.length
  }

  let last = 1
  let isWhole = false
  try {
    for await (const line of lines) {
      last = line.number
      if (isWhole) throw new LineError(line.number, 'is behind the closing line')
      const kind = kindOf(line)
      if (kind === 'cursor') continue
      if (kind === 'end') {
        checkCounts(line, parseEnd(line), read)
        isWhole = true
        continue
      }
      read[kind]++
      // Of data keys there are few, and they open what follows.
      if (line.number >= fromLine || kind === 'data_key' || landing === undefined) await take(line, kind)
    }
    if (!isWhole) throw new LineError(last, 'is the last, and not the closing line: the file was cut off')
    landing ??= await land()
    await flush()
    return report
  } catch (error) {
    if (error instanceof LineError) await flush()
    throw error
  }
}

async function readHeader(lines: AsyncGenerator<TextLine>, { takeOver }: ImportOptions): Promise<ExportHeader> {
  const first = await lines.next()
  if (first.done) throw new LineError(1, 'is missing: the file is empty')
  const header = parseHeader(first.value)
  if (takeOver && !header.withSecrets) {
    throw new Error(
      'The file was exported without --with-secrets: without their secrets, webhooks cannot go on here. Import it without --take-over.',
    )
  }
  return header
}

function checkCounts(line: TextLine, expected: Counts, read: Counts): void {
  const wrong = MOVED_KINDS.find((kind) => expected[kind] !== read[kind])
  if (wrong === undefined) return
  throw new LineError(
    line.number,
    `counts ${expected[wrong]} lines of ${wrong}, and there are ${read[wrong]}: lines are missing, or were added`,
  )
}

import { type Counts, MOVED_KINDS } from '../domain/moved-records.ts'

/** Between two lines to a terminal. */
const TERMINAL_MS = 1000
/** The same elsewhere, where lines stay: in records. */
const RECORDS = 100_000

const NAMES: Record<keyof Counts, string> = {
  data_key: 'data keys',
  api_key: 'API keys',
  webhook: 'webhooks',
  event: 'events',
  idempotency_key: 'idempotency keys',
  replay: 'replays',
  delivery: 'deliveries',
  audit_entry: 'audit entries',
}

/** The counts that are not 0, for people. */
export function countsText(counts: Counts): string {
  const shown = MOVED_KINDS.filter((kind) => counts[kind] > 0).map((kind) => `${counts[kind]} ${NAMES[kind]}`)
  return shown.length === 0 ? 'nothing' : shown.join(', ')
}

/** Says how far it is: on a terminal each second, elsewhere each 100,000 records. */
export function moveProgress(say: (line: string) => void, isTerminal: boolean): (counts: Counts, also?: string) => void {
  let saidAtMs = performance.now()
  let saidRecords = 0
  return (counts, also = '') => {
    const records = Object.values(counts).reduce((sum, count) => sum + count, 0)
    const isTime = isTerminal ? performance.now() - saidAtMs >= TERMINAL_MS : records - saidRecords >= RECORDS
    if (!isTime) return
    saidAtMs = performance.now()
    saidRecords = records
    say(`${countsText(counts)}${also}`)
  }
}

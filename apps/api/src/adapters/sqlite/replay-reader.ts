import type { DatabaseSync } from 'node:sqlite'
import { prepareAll } from './database.ts'
import { pageOf, placeOf, placeText } from './page.ts'
import type { CallOf, InputOf, OutputOf, ReplayReaderCalls } from './protocol.ts'
import { replayOf } from './replay-row.ts'
import { REPLAY_READS } from './replay-sql.ts'

/** The reader's part in replays: how it answers a call. */
export function replayReader(db: DatabaseSync): (call: CallOf<ReplayReaderCalls>) => unknown {
  const sql = prepareAll(db, REPLAY_READS)

  function getReplay(replayId: Input<'getReplay'>): Output<'getReplay'> {
    const row = sql.replay.get(replayId)
    return row && replayOf(row)
  }

  function listReplays({ webhookId, limit, after }: Input<'listReplays'>): Output<'listReplays'> {
    const { rows, last } = pageOf(sql.replays.all(webhookId, ...placeOf(after), limit + 1), limit)
    return { replays: rows.map(replayOf), next: last && placeText(last) }
  }

  function listRunningReplays({ limit, after = '0' }: Input<'listRunningReplays'>): Output<'listRunningReplays'> {
    const { rows, last } = pageOf(sql.running.all(Number(after), limit + 1), limit)
    return { replayIds: rows.map((row) => String(row['replay_id'])), next: last && String(last['id']) }
  }

  return (call) => {
    switch (call.type) {
      case 'getReplay':
        return getReplay(call.input)
      case 'listReplays':
        return listReplays(call.input)
      case 'listRunningReplays':
        return listRunningReplays(call.input)
      default:
        return call satisfies never
    }
  }
}

type Input<K extends keyof ReplayReaderCalls> = InputOf<ReplayReaderCalls, K>
type Output<K extends keyof ReplayReaderCalls> = OutputOf<ReplayReaderCalls, K>

import type { ReplayStore } from '../../webhook-ports.ts'
import { auditRow } from './access-row.ts'
import { CALL_BYTES, type Channel } from './channel.ts'
import type { ReaderCalls, WriterCalls } from './protocol.ts'
import { replayRow } from './replay-row.ts'

/** The store's part in replays: each method is one call to one of the threads. */
export function replayStore(writer: Channel<WriterCalls>, reader: Channel<ReaderCalls>): ReplayStore {
  return {
    createReplay: async (replay, audit) =>
      await writer.call('createReplay', { replay: replayRow(replay), audit: auditRow(audit) }, CALL_BYTES),
    getReplay: (replayId) => reader.call('getReplay', replayId, CALL_BYTES),
    listReplays: (query) => reader.call('listReplays', query, CALL_BYTES),
    listRunningReplays: (query) => reader.call('listRunningReplays', query, CALL_BYTES),
    advanceReplay: (step) => writer.call('advanceReplay', step, CALL_BYTES * (1 + step.deliveries.length)),
    endReplay: async (replayId, status, audit) =>
      await writer.call('endReplay', { replayId, status, audit: audit && auditRow(audit) }, CALL_BYTES),
  }
}

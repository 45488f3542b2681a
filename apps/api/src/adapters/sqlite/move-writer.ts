import type { DatabaseSync } from 'node:sqlite'
import type { ImportOutcome } from '../../move-ports.ts'
import type { CommitClock } from './commit-clock.ts'
import { prepareAll } from './database.ts'
import { eventIdOf } from './event-id.ts'
import type { MetadataIndex } from './metadata-index.ts'
import { deliveryImporter } from './move-deliveries.ts'
import { eventImporter } from './move-events.ts'
import type { MovedApiKey, MovedAuditEntry, MovedIdempotencyKey, MovedWebhook, MoveWriterCalls } from './move-protocol.ts'
import { MOVE_WRITES } from './move-sql.ts'
import { firstFree } from './places.ts'
import type { BatchTimes, CallOf } from './protocol.ts'
import type { Workspaces } from './workspaces.ts'

/** The writer's part in moving: what comes in, as it was. */
export function moveWriter(
  db: DatabaseSync,
  { workspaces, clock, metadata }: { workspaces: Workspaces; clock: CommitClock; metadata: MetadataIndex },
) {
  const sql = prepareAll(db, MOVE_WRITES)
  const importEvents = eventImporter(db, workspaces, clock)
  const { importReplay, importDelivery } = deliveryImporter(db, clock)

  function importIdempotencyKey(workspace: number, { address, key, fingerprint }: MovedIdempotencyKey, times: BatchTimes): ImportOutcome {
    if (address === null) return 'refused'
    const used = sql.findIdempotencyKey.get(workspace, key)
    if (used !== undefined) {
      if (Number(used['seq']) >= times.keysExpiredUs) return 'there'
      sql.forgetIdempotencyKey.run(Number(used['seq']))
    }
    const place = firstFree(sql.idempotencyFrom, address.seq)
    const tail = place === address.seq ? address.tail : eventIdOf(address.seq, address.tail)
    sql.insertIdempotencyKey.run(place, tail, workspace, key, fingerprint)
    clock.pass(place)
    return 'written'
  }

  function importApiKey(workspace: number, { key, lastUsedAtUs }: MovedApiKey, times: BatchTimes): ImportOutcome {
    const found = sql.findApiKey.get(key.keyId)
    if (found !== undefined) return found['workspace'] === workspace ? 'there' : 'refused'
    const working = key.versions.filter(({ expiresAtUs }) => expiresAtUs === null || expiresAtUs > times.nowUs)
    const hashes = new Set(working.map(({ hash }) => hash))
    for (const hash of hashes) if (sql.ownerOfHash.get(hash) !== undefined) return 'refused'
    sql.insertApiKey.run(key.keyId, workspace, key.createdAtUs, key.revision, lastUsedAtUs, key.record)
    for (const hash of hashes) sql.insertHash.run(hash, key.keyId)
    return 'written'
  }

  function importWebhook(workspace: number, { webhook, createdAtUs, failingSinceUs, alarmedAtUs }: MovedWebhook): ImportOutcome {
    const { webhookId, isActive, revision, record } = webhook
    const found = sql.findWebhook.get(webhookId)
    if (found !== undefined) return found['workspace'] === workspace ? 'there' : 'refused'
    sql.insertWebhook.run(webhookId, workspace, createdAtUs, Number(isActive), revision, failingSinceUs, alarmedAtUs, record)
    sql.countChange.run()
    clock.pass(createdAtUs)
    return 'written'
  }

  /** They come the newest first: so one whose place is taken goes to the next free one before it. */
  function importAuditEntry(workspace: number, { address, row: [, action, entry] }: MovedAuditEntry): ImportOutcome {
    if (address === null) return 'refused'
    const id = eventIdOf(address.seq, address.tail)
    let place = address.seq
    for (let at = sql.entryAt.get(place); at !== undefined; at = sql.entryAt.get(--place)) {
      if (eventIdOf(place, String(at['tail'])) === id) return at['workspace'] === workspace ? 'there' : 'refused'
    }
    sql.insertEntry.run(place, place === address.seq ? address.tail : id, workspace, action, entry)
    return 'written'
  }

  return (call: CallOf<MoveWriterCalls>, times: BatchTimes): unknown => {
    const number = ({ workspaceId }: { workspaceId: string }) => workspaces.findOrAdd(workspaceId)
    switch (call.type) {
      case 'importWorkspace':
        workspaces.findOrAdd(call.input)
        return null
      case 'importEvents':
        // Places change hands here, by which new metadata knows its events.
        metadata.mergeAll()
        return importEvents(call.input)
      case 'importIdempotencyKeys':
        return call.input.keys.map((key) => importIdempotencyKey(number(call.input), key, times))
      case 'importApiKeys':
        return call.input.apiKeys.map((apiKey) => importApiKey(number(call.input), apiKey, times))
      case 'importWebhooks':
        return call.input.webhooks.map((webhook) => importWebhook(number(call.input), webhook))
      case 'importReplays':
        return call.input.replays.map((replay) => importReplay(number(call.input), replay))
      case 'importDeliveries':
        return call.input.deliveries.map((delivery) => importDelivery(number(call.input), delivery))
      case 'importAuditEntries':
        return call.input.entries.map((entry) => importAuditEntry(number(call.input), entry))
      default:
        return call satisfies never
    }
  }
}

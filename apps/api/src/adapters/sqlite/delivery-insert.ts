import type { DatabaseSync } from 'node:sqlite'
import { randomTail } from '../../uuid.ts'
import type { NewDelivery } from '../../webhook-ports.ts'
import type { CommitClock } from './commit-clock.ts'
import { prepareAll } from './database.ts'
import { DELIVERY_INSERTS } from './delivery-sql.ts'
import { addressOf } from './event-id.ts'

/**
 * Stores new deliveries in the transaction that is open, each with a place of its own behind all others.
 * Left out are those to a webhook that is unknown, deleted or not active, of an unknown replay, or of an id that no event can have.
 * @returns how many were stored
 */
export type InsertDeliveries = (deliveries: readonly NewDelivery[]) => number

export function deliveryInserter(db: DatabaseSync, clock: CommitClock): InsertDeliveries {
  const sql = prepareAll(db, DELIVERY_INSERTS)

  function activeWebhook(webhookId: string): Webhook | null {
    const row = sql.findActiveWebhook.get(webhookId)
    return row === undefined ? null : { webhook: Number(row['id']), workspace: Number(row['workspace']) }
  }

  function replayOf(replayId: string): number | null {
    const row = sql.findReplay.get(replayId)
    return row === undefined ? null : Number(row['id'])
  }

  return (deliveries) => {
    // One call brings many to the same few webhooks, nearly always of one replay or none.
    const webhookById = remembering(activeWebhook)
    const replayById = remembering(replayOf)
    let inserted = 0
    for (const { webhookId, eventId, eventType, dueAtUs, replayId, ownEvent } of deliveries) {
      const to = webhookById(webhookId)
      const replay = replayId === null ? null : replayById(replayId)
      const event = ownEvent === null ? addressOf(eventId) : OWN_EVENT
      if (to === null || event === undefined || (replayId !== null && replay === null)) continue
      const own = ownEvent && JSON.stringify(ownEvent)
      sql.insert.run(
        clock.next(),
        randomTail(),
        to.workspace,
        to.webhook,
        replay ?? 0,
        dueAtUs,
        event.seq,
        event.tail,
        replay,
        eventType,
        own,
      )
      inserted++
    }
    return inserted
  }
}

interface Webhook {
  webhook: number
  workspace: number
}

/** Where an event of our own would be: it is in no list, and its delivery carries it. */
const OWN_EVENT = { seq: 0, tail: '' }

/** The function, asked once for each key. */
function remembering<T>(find: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>()
  return (key) => {
    const before = known.get(key)
    if (before !== undefined) return before
    const found = find(key)
    known.set(key, found)
    return found
  }
}

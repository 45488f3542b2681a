import type { Clock, Store } from '../ports.ts'
import type { StoredWebhook } from '../webhook-ports.ts'
import { lineOf, withoutHashes, withoutSecrets } from './moved-out.ts'
import { type Counts, type ExportCursor, type ExportHeader, FORMAT, MOVED_KINDS, type MovedKind, noCounts } from './moved-records.ts'
import { eachOf } from './pages.ts'
import { movedPosition } from './walk-replay.ts'

const PAGE = 500
const MAX_BYTES = 4_000_000
/** Of the data keys that one installation has: what cursors are signed with stays, since a cursor of one store means nothing to another. */
const CURSOR_KEY = 'cursor'

export interface ExportSource {
  store: Store
  workspaceId: string
  withSecrets: boolean
}

export interface ExportStep {
  /** Whole lines. */
  text: string
  /** What was written up to there. */
  counts: Counts
}

export function exportHeader({ workspaceId, withSecrets }: Omit<ExportSource, 'store'>, clock: Clock): ExportHeader {
  return { format: FORMAT, workspaceId, exportedAtUs: clock.nowUs(), withSecrets }
}

/**
 * All of a workspace behind the header, page by page, so that it may be of any size. Each page ends with a line from which the export can go on; the last with
 * the closing line. What is written meanwhile may be in it or not.
 * @param from the cursor of an export that was interrupted
 * @throws StoreUnavailableError
 */
export async function* exportWorkspace(source: ExportSource, from?: ExportCursor): AsyncGenerator<ExportStep> {
  const sections = sectionsOf(source)
  const counts = { ...(from?.counts ?? noCounts()) }
  let at: Omit<ExportCursor, 'counts'> | undefined = from ?? { kind: MOVED_KINDS[0], after: null }
  while (at !== undefined) {
    const kind: MovedKind = at.kind
    const { records, next }: Section = await sections[kind](at.after ?? undefined)
    counts[kind] += records.length
    at = next === null ? sectionBehind(kind) : { kind, after: next }
    const last = at === undefined ? lineOf('end', counts) : lineOf('cursor', { ...at, counts })
    yield { text: records.map((record) => lineOf(kind, record)).join('') + last, counts: { ...counts } }
  }
}

function sectionBehind(kind: MovedKind): Omit<ExportCursor, 'counts'> | undefined {
  const next = MOVED_KINDS[MOVED_KINDS.indexOf(kind) + 1]
  return next && { kind: next, after: null }
}

interface Section {
  records: object[]
  next: string | null
}

/** How each kind's records are read, from behind a page on. */
function sectionsOf({ store, workspaceId, withSecrets }: ExportSource): Record<MovedKind, (after?: string) => Promise<Section>> {
  /** By id, as that is an order that no change of a webhook disturbs. There are no more than a thousand. */
  let webhookIds: Promise<string[]> | undefined

  async function ofWebhooks(read: (webhookId: string, after?: string) => Promise<Section>, place = ' '): Promise<Section> {
    const [from = '', after = ''] = place.split(' ')
    webhookIds ??= webhookIdsOf(store, workspaceId)
    const ids = (await webhookIds).filter((webhookId) => webhookId >= from)
    for (const [index, webhookId] of ids.entries()) {
      const { records, next } = await read(webhookId, webhookId === from && after !== '' ? after : undefined)
      const following = next === null ? ids[index + 1] : webhookId
      if (records.length > 0) return { records, next: following === undefined ? null : `${following} ${next ?? ''}` }
    }
    return { records: [], next: null }
  }

  const replaysOf = async (webhookId: string, after?: string): Promise<Section> => {
    const { replays, next } = await store.listReplays({ webhookId, limit: PAGE, after })
    const records = replays.map(async (replay) => {
      return { ...replay, position: await movedPosition(replay.position, (place) => store.idAt(workspaceId, place)) }
    })
    return { records: await Promise.all(records), next }
  }

  const deliveriesOf = async (webhookId: string, after?: string): Promise<Section> => {
    const { deliveries, next } = await store.listWholeDeliveries({ workspaceId, webhookId, limit: PAGE, maxBytes: MAX_BYTES, after })
    return { records: deliveries, next }
  }

  return {
    async data_key() {
      const keys = withSecrets ? await store.listDataKeys() : []
      return { records: keys.filter(({ name }) => name !== CURSOR_KEY), next: null }
    },
    async api_key(after) {
      const { apiKeys, next } = await store.listApiKeys({ workspaceId, limit: PAGE, after })
      return { records: withSecrets ? apiKeys : apiKeys.map(withoutHashes), next }
    },
    async webhook(after) {
      const { webhooks, next } = await store.listWebhooks({ workspaceId, limit: PAGE, after })
      return { records: withSecrets ? webhooks : webhooks.map(withoutSecrets), next }
    },
    replay: (after) => ofWebhooks(replaysOf, after),
    async event(after) {
      const { events, next } = await store.listEvents({ workspaceId, filter: {}, order: 'asc', limit: PAGE, maxBytes: MAX_BYTES, after })
      return { records: events, next }
    },
    async idempotency_key(after) {
      const { keys, next } = await store.listIdempotencyKeys({ workspaceId, limit: PAGE, after })
      return { records: keys, next }
    },
    delivery: (after) => ofWebhooks(deliveriesOf, after),
    async audit_entry(after) {
      const { entries, next } = await store.listAuditEntries({ workspaceId, limit: PAGE, after })
      return { records: entries, next }
    },
  }
}

async function webhookIdsOf(store: Store, workspaceId: string): Promise<string[]> {
  const all = eachOf<StoredWebhook>(async (after) => {
    const { webhooks, next } = await store.listWebhooks({ workspaceId, limit: PAGE, after })
    return { items: webhooks, next }
  })
  const ids: string[] = []
  for await (const { webhookId } of all) ids.push(webhookId)
  return ids.sort()
}

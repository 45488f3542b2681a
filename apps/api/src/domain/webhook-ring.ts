import type { StoredWebhook, WebhookStore } from '../webhook-ports.ts'
import type { OpenWebhook } from './delivery-request.ts'
import { beginningOf } from './event-pattern.ts'
import { eachOf } from './pages.ts'
import type { Vault } from './vault.ts'

const PAGE = 500
/** Of one workspace; with more the store is asked for all of its events. */
const MAX_BEGINNINGS = 50
const MAX_OPENED = 10_000

const NONE: readonly StoredWebhook[] = Object.freeze([])

/** The active webhooks of all workspaces, in memory, and what is needed to send for one of them. */
export interface WebhookRing {
  /** The `webhooksVersion` that it was read for; undefined before the first. */
  readonly version: string | undefined
  /**
   * Reads all of them anew: what it has then is at least as new as that version.
   * @throws StoreUnavailableError, and it is as before
   */
  refresh(version: string): Promise<void>
  /** Active ones. */
  ofWorkspace(workspaceId: string): readonly StoredWebhook[]
  /** Of active ones. */
  find(webhookId: string): StoredWebhook | undefined
  /** By workspace, the beginnings of the event types that a webhook asks for. */
  interests(): ReadonlyMap<string, readonly string[]>
  /**
   * The webhook as it is in that revision or a later one, with its secrets and headers in the clear: never to be logged.
   * @returns undefined when it is gone
   * @throws Error when a secret of it cannot be opened
   * @throws StoreUnavailableError
   */
  open(webhookId: string, revision: number): Promise<OpenWebhook | undefined>
}

interface Webhooks {
  version: string | undefined
  byId: ReadonlyMap<string, StoredWebhook>
  byWorkspace: ReadonlyMap<string, StoredWebhook[]>
  interests: ReadonlyMap<string, readonly string[]>
}

export function createWebhookRing({
  store,
  vault,
}: {
  store: Pick<WebhookStore, 'listWebhooks' | 'getWebhook'>
  vault: Vault
}): WebhookRing {
  let known: Webhooks = { version: undefined, byId: new Map(), byWorkspace: new Map(), interests: new Map() }
  /** By webhook, the one opened last at the end. */
  const opened = new Map<string, { revision: number; webhook: Promise<OpenWebhook | undefined> }>()

  async function load(webhookId: string, revision: number): Promise<OpenWebhook | undefined> {
    const listed = known.byId.get(webhookId)
    const record = listed !== undefined && listed.revision >= revision ? listed : await store.getWebhook(webhookId)
    if (record === undefined) return undefined
    const [secrets, headers] = await Promise.all([
      Promise.all(record.secrets.map(async ({ sealed, expiresAtUs }) => ({ secret: await vault.open(sealed, webhookId), expiresAtUs }))),
      record.headers === null ? {} : vault.open(record.headers.sealed, webhookId).then(headersOf),
    ])
    return { record, secrets, headers }
  }

  return {
    get version() {
      return known.version
    },

    async refresh(version) {
      const active = eachOf(async (after) => {
        const { webhooks, next } = await store.listWebhooks({ isActive: true, limit: PAGE, after })
        return { items: webhooks, next }
      })
      const byId = new Map<string, StoredWebhook>()
      for await (const webhook of active) byId.set(webhook.webhookId, webhook)
      const byWorkspace = Map.groupBy(byId.values(), (webhook) => webhook.workspaceId)
      known = { version, byId, byWorkspace, interests: interestsOf(byWorkspace) }
      // What is sent to no more leaves no secret behind; one that is switched on again meanwhile is opened anew.
      for (const webhookId of opened.keys()) {
        if (!byId.has(webhookId)) opened.delete(webhookId)
      }
    },

    ofWorkspace: (workspaceId) => known.byWorkspace.get(workspaceId) ?? NONE,
    find: (webhookId) => known.byId.get(webhookId),
    interests: () => known.interests,

    open(webhookId, revision) {
      const before = opened.get(webhookId)
      if (before !== undefined && before.revision >= revision) return before.webhook
      const entry = { revision, webhook: load(webhookId, revision) }
      opened.delete(webhookId)
      opened.set(webhookId, entry)
      const forget = () => {
        if (opened.get(webhookId) === entry) opened.delete(webhookId)
      }
      entry.webhook.then((webhook) => {
        if (webhook === undefined) forget()
        else entry.revision = Math.max(revision, webhook.record.revision)
      }, forget)
      const [oldest] = opened.keys()
      if (opened.size > MAX_OPENED && oldest !== undefined) opened.delete(oldest)
      return entry.webhook
    },
  }
}

function interestsOf(byWorkspace: ReadonlyMap<string, readonly StoredWebhook[]>): Map<string, readonly string[]> {
  const interests = new Map<string, readonly string[]>()
  for (const [workspaceId, webhooks] of byWorkspace) {
    const beginnings = new Set(webhooks.flatMap(({ events }) => events.map(beginningOf)))
    interests.set(workspaceId, beginnings.has('') || beginnings.size > MAX_BEGINNINGS ? [''] : [...beginnings])
  }
  return interests
}

function headersOf(text: string): Record<string, string> {
  // It was sealed here, for this webhook: nobody else can have written it.
  return JSON.parse(text) as Record<string, string>
}

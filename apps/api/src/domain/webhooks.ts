/** Webhooks: made, changed, switched off, their secrets rotated, and what the audit log is told. */
import type { Deps } from '../deps.ts'
import { validationError } from '../errors.ts'
import { type NewAuditEntry, type SealedSecret, StoreUnavailableError } from '../ports.ts'
import { newUuid } from '../uuid.ts'
import type { DisabledReason, StoredWebhook, WebhookRecord } from '../webhook-ports.ts'
import { auditEntry, type ChangedBy, serverEntry } from './audit.ts'
import { endDeliveries } from './end-deliveries.ts'
import { hint } from './hint.ts'
import { ownDeliveries, webhookDisabled } from './own-events.ts'
import { eachOf, PAGE } from './pages.ts'
import { DAY_US, formatTime } from './time.ts'
import { activity, auditedChanges, type NewWebhook, plainFields, recordOf, type WebhookChanges } from './webhook-fields.ts'
import { tooManyWebhooks, webhookNotFound } from './webhook-refusals.ts'
import { newWebhookSecret } from './webhook-signing.ts'

export type WebhookDeps = Pick<Deps, 'store' | 'vault' | 'clock' | 'queue' | 'httpOut' | 'log'>

export const MAX_WEBHOOKS = 1000
/** Of those who change one webhook at the same time, one succeeds at each try. */
const MAX_TRIES = 64

/**
 * Makes a webhook.
 * @returns it, and the generated secret if none was given: it is nowhere else
 * @throws ApiError VALIDATION_ERROR for a URL that nothing may be sent to, CONFLICT when the workspace has too many
 */
export async function createWebhook(
  deps: WebhookDeps,
  by: ChangedBy,
  workspaceId: string,
  input: NewWebhook,
): Promise<{ webhook: StoredWebhook; secret: string | undefined }> {
  await refuseUrl(deps, input.url)
  const nowUs = deps.clock.nowUs()
  const webhookId = newUuid(nowUs)
  const generated = input.secret === undefined ? newWebhookSecret() : undefined
  const sealed = await deps.vault.seal(input.secret ?? generated ?? '', webhookId)
  const record: WebhookRecord = {
    webhookId,
    workspaceId,
    url: input.url,
    events: input.events,
    description: input.description ?? null,
    filter: input.filter ?? null,
    headers: await sealHeaders(deps, webhookId, input.headers ?? null),
    rateLimit: input.rateLimit ?? null,
    retry: input.retry ?? 'standard',
    payloadFormat: input.payloadFormat ?? 'event',
    secrets: [{ sealed, expiresAtUs: null }],
    isActive: true,
    disabledAtUs: null,
    disabledReason: null,
    updatedAtUs: nowUs,
    revision: 0,
    ...activity({ isActive: true }, input.isActive ?? true, 'manual', nowUs),
  }
  const audit = entryOf(by, record, 'webhook.created', auditedChanges(null, record))
  const saved = await deps.store.saveWebhook(record, { audit, maxPerWorkspace: MAX_WEBHOOKS })
  switch (saved.outcome) {
    case 'saved':
      return { webhook: saved.webhook, secret: generated }
    case 'too_many':
      throw tooManyWebhooks(MAX_WEBHOOKS)
    case 'changed':
      throw new Error('A new webhook has the id of another one.')
  }
}

/** @throws ApiError NOT_FOUND */
export async function findWebhook({ store }: Pick<Deps, 'store'>, workspaceId: string, webhookId: string): Promise<StoredWebhook> {
  const webhook = await store.getWebhook(webhookId)
  if (webhook?.workspaceId !== workspaceId) throw webhookNotFound(webhookId)
  return webhook
}

/**
 * Changes what is given. A change that makes no difference is not written. One that is switched off has its pending deliveries held.
 * @throws ApiError NOT_FOUND, VALIDATION_ERROR for a URL that nothing may be sent to
 */
export async function updateWebhook(
  deps: WebhookDeps,
  by: ChangedBy,
  workspaceId: string,
  webhookId: string,
  changes: WebhookChanges,
): Promise<StoredWebhook> {
  const { url, secret, headers, isActive } = changes
  let checkedUrl: string | undefined
  const { before, after } = await change(deps, by, workspaceId, webhookId, async (webhook) => {
    // One that is sent back as it was read may have an address that is refused by now.
    if (url !== undefined && url !== webhook.url && url !== checkedUrl) {
      await refuseUrl(deps, url)
      checkedUrl = url
    }
    const fields: Partial<WebhookRecord> = {
      ...plainFields(changes),
      ...(isActive !== undefined && activity(webhook, isActive, 'manual', deps.clock.nowUs())),
      ...(headers !== undefined && !(await hasHeaders(deps, webhook, headers)) && { headers: await sealHeaders(deps, webhookId, headers) }),
      ...(secret !== undefined &&
        !(webhook.secrets.length === 1 && (await isCurrentSecret(deps, webhook, secret))) && {
          secrets: [{ sealed: await deps.vault.seal(secret, webhookId), expiresAtUs: null }],
        }),
    }
    return { action: 'webhook.updated', fields, changes: auditedChanges(webhook, { ...webhook, ...fields }) }
  })
  if (before.isActive && !after.isActive) await endDeliveries(deps, { webhookId }, 'held')
  return after
}

/**
 * Removes the webhook; its open deliveries are cancelled.
 * @throws ApiError NOT_FOUND, also when it is gone already
 */
export async function deleteWebhook(deps: WebhookDeps, by: ChangedBy, workspaceId: string, webhookId: string): Promise<void> {
  const webhook = await findWebhook(deps, workspaceId, webhookId)
  const { url, events } = auditedChanges(null, webhook)
  const changes = Object.fromEntries(
    Object.entries({ url, events }).flatMap(([field, made]) => (made === undefined ? [] : [[field, { from: made.to, to: null }]])),
  )
  if (!(await deps.store.deleteWebhook(webhookId, entryOf(by, webhook, 'webhook.deleted', changes)))) throw webhookNotFound(webhookId)
  await endDeliveries(deps, { webhookId }, 'cancelled')
}

/**
 * Gives the webhook a new secret. The former one works through the overlap; one before it ends now.
 * @returns the new secret, and when the former one stops to work
 * @throws ApiError NOT_FOUND; VALIDATION_ERROR for the secret that is in use already
 */
export async function rotateWebhookSecret(
  deps: WebhookDeps,
  by: ChangedBy,
  workspaceId: string,
  webhookId: string,
  input: { secret: string | undefined; transitionDays: number },
): Promise<{ secret: string; rotatedAtUs: number; previousExpiresAtUs: number }> {
  const secret = input.secret ?? newWebhookSecret()
  const { decision } = await change(deps, by, workspaceId, webhookId, async (webhook) => {
    if (await isCurrentSecret(deps, webhook, secret)) {
      const suggestion = 'Send another one, or none: one is generated then. After a lost answer, the rotation is done.'
      throw validationError([{ field: 'secret', issue: 'is the one in use', suggestion }])
    }
    const sealed = await deps.vault.seal(secret, webhookId)
    const rotatedAtUs = deps.clock.nowUs()
    const previousExpiresAtUs = rotatedAtUs + input.transitionDays * DAY_US
    const [former] = webhook.secrets
    const secrets: SealedSecret[] = [{ sealed, expiresAtUs: null }]
    if (former !== undefined && previousExpiresAtUs > rotatedAtUs) secrets.push({ ...former, expiresAtUs: previousExpiresAtUs })
    return {
      action: 'webhook.secret_rotated',
      fields: { secrets },
      changes: { previous_expires_at: { from: null, to: formatTime(previousExpiresAtUs) } },
      rotation: { secret, rotatedAtUs, previousExpiresAtUs },
    }
  })
  return decision.rotation
}

/**
 * Switches a webhook off that fails for days, or whose receiver wants no more: tells the workspace's others, and holds its pending deliveries.
 * @param options `isSilent`: nobody is told, since it was an event of our own that failed
 * @returns false when it is off already, or gone
 */
export async function disableWebhook(
  deps: Pick<Deps, 'store' | 'clock' | 'queue' | 'config' | 'log'>,
  webhookId: string,
  reason: Exclude<DisabledReason, 'manual'>,
  { isSilent = false }: { isSilent?: boolean } = {},
): Promise<boolean> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const webhook = await deps.store.getWebhook(webhookId)
    if (webhook === undefined || !webhook.isActive) return false
    const nowUs = deps.clock.nowUs()
    const after: StoredWebhook = { ...webhook, ...activity(webhook, false, reason, nowUs), updatedAtUs: nowUs }
    const notice = webhookDisabled(webhook, reason, nowUs, nowUs + deps.config.eventTtlDays * DAY_US)
    const told = isSilent ? [] : ownDeliveries(notice, await activeWebhooks(deps, webhook.workspaceId), webhookId)
    const target = { type: 'webhook', id: webhookId }
    const { workspaceId } = webhook
    const audit = serverEntry({ workspaceId, action: 'webhook.disabled', target, changes: auditedChanges(webhook, after) })
    const saved = await deps.store.saveWebhook(recordOf(after), { audit, ownDeliveries: told, alarmedAtUs: nowUs })
    if (saved.outcome !== 'saved') continue
    deps.log.warn({ webhookId, reason }, 'a webhook was switched off')
    if (told.length > 0)
      await hint(deps, ...told.map((delivery) => ({ type: 'deliver', webhookId: delivery.webhookId, replayId: null }) as const))
    await endDeliveries(deps, { webhookId }, 'held')
    return true
  }
  throw changedTooOften(webhookId)
}

async function activeWebhooks({ store }: Pick<Deps, 'store'>, workspaceId: string): Promise<StoredWebhook[]> {
  const active = eachOf(async (after) => {
    const { webhooks, next } = await store.listWebhooks({ workspaceId, isActive: true, limit: PAGE, after })
    return { items: webhooks, next }
  })
  const webhooks: StoredWebhook[] = []
  for await (const webhook of active) webhooks.push(webhook)
  return webhooks
}

interface Decision {
  action: string
  /** What the record is to have; without `changes`, nothing is written. */
  fields: Partial<WebhookRecord>
  changes: NewAuditEntry['changes']
}

/** Decides on the webhook as it is stored, and writes that; once more when it was changed meanwhile. */
async function change<Decided extends Decision>(
  deps: Pick<Deps, 'store' | 'clock'>,
  by: ChangedBy,
  workspaceId: string,
  webhookId: string,
  decide: (webhook: StoredWebhook) => Promise<Decided>,
): Promise<{ before: StoredWebhook; after: StoredWebhook; decision: Decided }> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const before = await findWebhook(deps, workspaceId, webhookId)
    const decision = await decide(before)
    if (Object.keys(decision.changes).length === 0) return { before, after: before, decision }
    const record = { ...recordOf(before), ...decision.fields, updatedAtUs: deps.clock.nowUs() }
    const saved = await deps.store.saveWebhook(record, { audit: entryOf(by, before, decision.action, decision.changes) })
    if (saved.outcome === 'saved') return { before, after: saved.webhook, decision }
  }
  throw changedTooOften(webhookId)
}

function changedTooOften(webhookId: string): StoreUnavailableError {
  return new StoreUnavailableError(`${webhookId} was changed by others at each of ${MAX_TRIES} tries.`)
}

function entryOf(by: ChangedBy, webhook: WebhookRecord, action: string, changes: NewAuditEntry['changes']): NewAuditEntry {
  return auditEntry(by, { workspaceId: webhook.workspaceId, action, target: { type: 'webhook', id: webhook.webhookId }, changes })
}

/** @throws ApiError VALIDATION_ERROR when nothing may be sent there */
async function refuseUrl({ httpOut }: Pick<Deps, 'httpOut'>, url: string): Promise<void> {
  const issue = await httpOut.checkUrl(url)
  if (issue === undefined) return
  const suggestion =
    'Send an https URL with a public address; whoever runs the server can allow others (WEBHOOK_ALLOWED_CIDRS, WEBHOOK_ALLOW_HTTP).'
  throw validationError([{ field: 'url', issue, suggestion }])
}

async function sealHeaders(
  { vault }: Pick<Deps, 'vault'>,
  webhookId: string,
  headers: Readonly<Record<string, string>> | null,
): Promise<WebhookRecord['headers']> {
  const names = Object.keys(headers ?? {})
  return names.length === 0 ? null : { names, sealed: await vault.seal(JSON.stringify(headers), webhookId) }
}

async function hasHeaders(
  deps: Pick<Deps, 'vault'>,
  webhook: WebhookRecord,
  headers: Readonly<Record<string, string>> | null,
): Promise<boolean> {
  if (webhook.headers === null) return Object.keys(headers ?? {}).length === 0
  return isSealed(deps, webhook.headers.sealed, webhook.webhookId, JSON.stringify(headers))
}

async function isCurrentSecret(
  deps: Pick<Deps, 'vault'>,
  { secrets: [current], webhookId }: WebhookRecord,
  secret: string,
): Promise<boolean> {
  return current !== undefined && (await isSealed(deps, current.sealed, webhookId, secret))
}

/** Something that cannot be opened any more is another one: so that it can be replaced. */
async function isSealed({ vault }: Pick<Deps, 'vault'>, sealed: string, webhookId: string, plain: string): Promise<boolean> {
  try {
    return (await vault.open(sealed, webhookId)) === plain
  } catch (error) {
    if (error instanceof StoreUnavailableError) throw error
    return false
  }
}

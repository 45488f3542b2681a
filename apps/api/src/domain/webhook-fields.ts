/** What people set on a webhook. */
import type { DisabledReason, PayloadFormat, RetryProfile, StoredWebhook, WebhookFilter, WebhookRecord } from '../webhook-ports.ts'
import { differences } from './audit.ts'
import { withoutSecretParts } from './own-events.ts'

/** A webhook to make, of the right form: its patterns each once, its headers' names in lower case. */
export interface NewWebhook {
  url: string
  events: readonly string[]
  /** Absent: one is generated. */
  secret?: string | undefined
  isActive?: boolean | undefined
  description?: string | null | undefined
  filter?: WebhookFilter | null | undefined
  /** All of them; null: none. */
  headers?: Readonly<Record<string, string>> | null | undefined
  rateLimit?: number | null | undefined
  retry?: RetryProfile | undefined
  payloadFormat?: PayloadFormat | undefined
}

/** What is to be another; the rest stays. */
export type WebhookChanges = { [Field in keyof NewWebhook]?: NewWebhook[Field] | undefined }

/** What the changes make of the fields that are stored as they are. */
export function plainFields(changes: WebhookChanges): Partial<WebhookRecord> {
  const { url, events, description, filter, rateLimit, retry, payloadFormat } = changes
  return {
    ...(url !== undefined && { url }),
    ...(events !== undefined && { events }),
    ...(description !== undefined && { description }),
    ...(filter !== undefined && { filter }),
    ...(rateLimit !== undefined && { rateLimit }),
    ...(retry !== undefined && { retry }),
    ...(payloadFormat !== undefined && { payloadFormat }),
  }
}

/** What a webhook has that is switched on, or off; nothing when it is so already: what it was switched off for stays. */
export function activity(
  webhook: Pick<WebhookRecord, 'isActive'>,
  isActive: boolean,
  reason: DisabledReason,
  nowUs: number,
): Partial<WebhookRecord> {
  if (webhook.isActive === isActive) return {}
  return isActive ? { isActive, disabledAtUs: null, disabledReason: null } : { isActive, disabledAtUs: nowUs, disabledReason: reason }
}

/** What is stored of a webhook that was read. */
export function recordOf(webhook: StoredWebhook): WebhookRecord {
  const { createdAtUs: _, failingSinceUs: __, alarmedAtUs: ___, ...record } = webhook
  return record
}

/**
 * What the audit log is told of a change, by the names of the wire: no secret, no value of a header, and of the URL nothing that may let people in.
 * @param before null for a new webhook
 */
export function auditedChanges(before: WebhookRecord | null, after: WebhookRecord) {
  const changed = (isChanged: boolean, name: string) => (isChanged ? { [name]: { from: false, to: true } } : {})
  const [was, is] = [before && auditedFields(before), auditedFields(after)]
  return {
    ...differences(was, is),
    ...changed(before !== null && before.url !== after.url && was?.url === is.url, 'url_query_changed'),
    ...changed(before !== null && before.headers?.sealed !== after.headers?.sealed && after.headers !== null, 'header_values_changed'),
    ...changed(before !== null && before.secrets[0]?.sealed !== after.secrets[0]?.sealed, 'secret_changed'),
  }
}

function auditedFields(webhook: WebhookRecord) {
  return {
    url: withoutSecretParts(webhook.url),
    events: webhook.events,
    is_active: webhook.isActive,
    disabled_reason: webhook.disabledReason,
    description: webhook.description,
    filter: webhook.filter,
    header_names: webhook.headers?.names ?? [],
    rate_limit: webhook.rateLimit,
    retry: webhook.retry,
    payload_format: webhook.payloadFormat,
  }
}

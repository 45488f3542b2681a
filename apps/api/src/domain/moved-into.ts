/** What a line of an exported workspace becomes in the store that it comes into. */
import type { IdempotencyRecord, ImportOutcome, MoveStore, WholeDelivery } from '../move-ports.ts'
import { type AuditEntry, type EventRecord, type SealedSecret, type StoredApiKey, StoreUnavailableError } from '../ports.ts'
import type { ReplayRecord, StoredWebhook } from '../webhook-ports.ts'
import type { ParsedRecord } from './moved-lines.ts'
import type { ExportHeader, MovedKind, MovedRecord } from './moved-records.ts'
import { LineError } from './text-lines.ts'
import { DAY_US } from './time.ts'
import type { Vault } from './vault.ts'
import { movedPosition } from './walk-replay.ts'
import { newWebhookSecret } from './webhook-signing.ts'

export interface Landing {
  header: ExportHeader
  /** Whether what is pending goes on here; else webhooks come switched off, and what is pending is held. */
  takeOver: boolean
  vault: Vault
  nowUs: number
  /** What a position in the list of events is here that is behind that event. */
  placeBehind(eventId: string): Promise<string>
}

/** A record as the store takes it. */
export type Landed =
  | { kind: 'api_key'; record: StoredApiKey }
  | { kind: 'webhook'; record: StoredWebhook }
  | { kind: 'event'; record: EventRecord }
  | { kind: 'idempotency_key'; record: IdempotencyRecord }
  | { kind: 'replay'; record: ReplayRecord }
  | { kind: 'delivery'; record: WholeDelivery }
  | { kind: 'audit_entry'; record: AuditEntry }

type Arriving = Exclude<ParsedRecord, { kind: 'data_key' }>

/** Whether nobody would see it any more. */
export function isExpired({ kind, record }: Arriving, eventTtlDays: number, nowUs: number): boolean {
  if (kind === 'event') return record.createdAtUs < nowUs - eventTtlDays * DAY_US
  return kind === 'idempotency_key' && record.expiresAtUs <= nowUs
}

/** No new record may be older than one that is there: so what is ahead of the clock keeps the whole database ahead. */
const MAX_AHEAD_US = DAY_US

/**
 * What a line becomes.
 * @throws LineError when it does not go with the header, or a secret of it cannot be opened
 */
export async function landed(landing: Landing, { kind, record }: Arriving, line: number): Promise<Landed> {
  const us = kind === 'idempotency_key' ? record.expiresAtUs - DAY_US : record.createdAtUs
  if (us > landing.nowUs + MAX_AHEAD_US) throw new LineError(line, `(${kind}) is more than a day ahead of this machine's clock`)
  try {
    switch (kind) {
      case 'api_key':
        return { kind, record: await landedApiKey(landing, record) }
      case 'webhook':
        return { kind, record: await landedWebhook(landing, record) }
      case 'replay':
        return { kind, record: await landedReplay(landing, record) }
      case 'delivery':
        return { kind, record: landedDelivery(landing, record) }
      case 'audit_entry':
        return { kind, record: { ...record, workspaceId: landing.header.workspaceId } }
      case 'event':
        return { kind, record }
      case 'idempotency_key':
        return { kind, record }
    }
  } catch (error) {
    if (error instanceof StoreUnavailableError || !(error instanceof Error)) throw error
    throw new LineError(line, `(${kind}) cannot be taken: ${error.message}`)
  }
}

/** Writes records of one kind. */
export async function writeLanded(
  store: MoveStore,
  workspaceId: string,
  kind: MovedKind,
  all: readonly Landed[],
): Promise<ImportOutcome[]> {
  switch (kind) {
    case 'api_key':
      return await store.importApiKeys(
        workspaceId,
        all.flatMap((one) => (one.kind === kind ? [one.record] : [])),
      )
    case 'webhook':
      return await store.importWebhooks(
        workspaceId,
        all.flatMap((one) => (one.kind === kind ? [one.record] : [])),
      )
    case 'event':
      return await store.importEvents(
        workspaceId,
        all.flatMap((one) => (one.kind === kind ? [one.record] : [])),
      )
    case 'idempotency_key':
      return await store.importIdempotencyKeys(
        workspaceId,
        all.flatMap((one) => (one.kind === kind ? [one.record] : [])),
      )
    case 'replay':
      return await store.importReplays(
        workspaceId,
        all.flatMap((one) => (one.kind === kind ? [one.record] : [])),
      )
    case 'delivery':
      return await store.importDeliveries(
        workspaceId,
        all.flatMap((one) => (one.kind === kind ? [one.record] : [])),
      )
    case 'audit_entry':
      return await store.importAuditEntries(
        workspaceId,
        all.flatMap((one) => (one.kind === kind ? [one.record] : [])),
      )
    case 'data_key':
      return []
  }
}

/** Without its hashes no secret finds it: a hash of this form is none. */
const lostHash = (keyId: string, version: number) => `moved:${keyId}:${version}`

async function landedApiKey({ header, vault }: Landing, apiKey: MovedRecord<'api_key'>): Promise<StoredApiKey> {
  const { keyId, signingSecrets } = apiKey
  if (!header.withSecrets && signingSecrets.length > 0) throw secretsOf(header)
  const versions = apiKey.versions.map(({ hash, ...version }) => {
    if ((hash !== undefined) !== header.withSecrets) throw secretsOf(header)
    return { ...version, hash: hash ?? lostHash(keyId, version.version) }
  })
  await checkSecrets(vault, keyId, signingSecrets)
  return { ...apiKey, workspaceId: header.workspaceId, versions }
}

async function landedWebhook({ header, takeOver, vault }: Landing, webhook: MovedRecord<'webhook'>): Promise<StoredWebhook> {
  const { webhookId, headers = null } = webhook
  const { workspaceId, exportedAtUs, withSecrets } = header
  if ((webhook.secrets !== undefined) !== withSecrets || (headers !== null && !withSecrets)) throw secretsOf(header)
  // Another secret, that nobody knows until it is rotated: a webhook without one could not sign.
  const secrets = webhook.secrets ?? [{ sealed: await vault.seal(newWebhookSecret(), webhookId), expiresAtUs: null }]
  await checkSecrets(vault, webhookId, secrets)
  if (headers !== null) await vault.open(headers.sealed, webhookId)
  const off = webhook.isActive && !takeOver && ({ isActive: false, disabledAtUs: exportedAtUs, disabledReason: 'manual' } as const)
  return { ...webhook, workspaceId, secrets, headers, ...off }
}

async function landedReplay({ header, takeOver, placeBehind }: Landing, replay: MovedRecord<'replay'>): Promise<ReplayRecord> {
  const { workspaceId, exportedAtUs } = header
  const position = await movedPosition(replay.position, placeBehind)
  const off =
    replay.status === 'running' && !takeOver && ({ status: 'failed', completedAtUs: Math.max(replay.createdAtUs, exportedAtUs) } as const)
  return { ...replay, workspaceId, position, ...off }
}

function landedDelivery({ takeOver }: Landing, delivery: MovedRecord<'delivery'>): WholeDelivery {
  return delivery.status === 'pending' && !takeOver ? { ...delivery, status: 'held', dueAtUs: null } : delivery
}

async function checkSecrets(vault: Vault, owner: string, secrets: readonly SealedSecret[]): Promise<void> {
  for (const { sealed } of secrets) await vault.open(sealed, owner)
}

function secretsOf({ withSecrets }: ExportHeader): Error {
  return new Error(
    withSecrets ? 'it lacks its secrets, which the header says are there.' : 'it has secrets, and the header says that there are none.',
  )
}

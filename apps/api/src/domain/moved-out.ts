/** What of a workspace's records leaves, as the lines of a file. */
import type { StoredApiKey } from '../ports.ts'
import type { StoredWebhook } from '../webhook-ports.ts'
import { MOVED_KINDS, MOVED_RECORDS, type MovedKind } from './moved-records.ts'

/** What is left of a record that must not take its secrets along. */
export const withoutHashes = (apiKey: StoredApiKey) => ({
  ...apiKey,
  signingSecrets: [],
  versions: apiKey.versions.map(({ hash: _, ...version }) => version),
})
export const withoutSecrets = ({ secrets: _, headers: __, ...webhook }: StoredWebhook) => webhook

const FIELDS = new Map<string, readonly string[]>(MOVED_KINDS.map((kind) => [kind, Object.keys(MOVED_RECORDS[kind].shape).sort()]))

/**
 * A line, with its end. Of a record it has the fields that are known, and no other. All fields are sorted: the same record is the same line, whatever store it
 * comes from.
 */
export function lineOf(name: MovedKind | 'header' | 'cursor' | 'end', value: object): string {
  const all = new Map<string, unknown>(Object.entries(value))
  const fields = FIELDS.get(name) ?? [...all.keys()].sort()
  const known = fields.filter((field) => all.get(field) !== undefined).map((field) => [field, sorted(all.get(field))] as const)
  return `${JSON.stringify({ [name]: Object.fromEntries(known) })}\n`
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value)) return value.map(sorted)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([field, member]) => [field, sorted(member)]))
}

import type { EventFilter, EventRecord } from '../../../ports.ts'

/** One filter beside status and time. */
export interface Term {
  /** The field whose index serves it, as `eventIndexes` names it; undefined for what is in no index. */
  field: string | undefined
  /** As a text, whatever the event has: what the index is asked for. */
  value: string
  matches(event: EventRecord): boolean
}

/** The filters of a list, those first that likely fewer events pass. */
export function termsOf(filter: EventFilter): Term[] {
  const { eventType, source, priority, metadata = {} } = filter
  const terms: Term[] = []
  if (eventType !== undefined) terms.push({ field: 'event_type', value: eventType, matches: (event) => event.eventType === eventType })
  const keys = Object.keys(metadata)
  // Every key as it is named, `__proto__` too: the filter's own properties alone.
  terms.push(...keys.filter((key) => key !== 'priority').map((key) => metadataTerm(key, metadata[key] ?? '')))
  if (source !== undefined) terms.push({ field: 'source', value: source, matches: (event) => event.source === source })
  if (priority !== undefined) terms.push(priorityTerm(priority))
  if (keys.includes('priority')) terms.push(priorityTerm(metadata['priority'] ?? ''))
  return terms
}

/** It has an index of its own name. */
const priorityTerm = (value: string): Term => ({ ...metadataTerm('priority', value), field: 'priority' })

function metadataTerm(key: string, value: string): Term {
  return {
    // No index holds what every event has for itself alone.
    field: key === 'idempotency_key' ? undefined : `metadata.${key}`,
    value,
    matches({ metadata }) {
      const values: Record<string, unknown> = JSON.parse(metadata)
      if (!Object.hasOwn(values, key)) return false
      const own = values[key]
      return (typeof own === 'string' ? own : JSON.stringify(own)) === value
    },
  }
}

/** What no index holds: `priority` is a column of its own, an idempotency key is no filter of interest. */
const NOT_INDEXED = new Set(['priority', 'idempotency_key'])

/**
 * The (key, text) pairs under which an event is found by a `metadata.{key}` filter.
 * @param metadata the record's metadata, JSON object text
 */
export function metadataTerms(metadata: string): [key: string, text: string][] {
  const terms: [string, string][] = []
  for (const [key, value] of Object.entries(JSON.parse(metadata) as Record<string, unknown>)) {
    if (!NOT_INDEXED.has(key)) terms.push([key, typeof value === 'string' ? value : JSON.stringify(value)])
  }
  return terms
}

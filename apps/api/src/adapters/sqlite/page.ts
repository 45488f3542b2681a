type Row = Record<string, unknown>

/** @param found one row more than the limit, where there is one: it shows that there is a next page, which begins behind `last` */
export function pageOf(found: Row[], limit: number): { rows: Row[]; last: Row | null } {
  return { rows: found.slice(0, limit), last: found.length > limit ? (found[limit - 1] ?? null) : null }
}

/** Behind which a page of rows with `created_us` and `id`, the newest first, begins. Times may be alike: of rows that came from another store. */
export function placeOf(after: string | undefined): [createdUs: number, id: number] {
  if (after === undefined) return [Number.MAX_SAFE_INTEGER, 0]
  const [createdUs = 0, id = 0] = after.split('.').map(Number)
  return [createdUs, id]
}

/** The same as a text. */
export function placeText(row: Row): string {
  return `${row['created_us']}.${row['id']}`
}

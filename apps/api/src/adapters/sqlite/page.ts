type Row = Record<string, unknown>

/** @param found one row more than the limit, where there is one: it shows that there is a next page, which begins behind `last` */
export function pageOf(found: Row[], limit: number): { rows: Row[]; last: Row | null } {
  return { rows: found.slice(0, limit), last: found.length > limit ? (found[limit - 1] ?? null) : null }
}

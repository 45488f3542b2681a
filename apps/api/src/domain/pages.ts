/** All items of a list that the store gives in pages. */
export async function* eachOf<Item>(
  page: (after: string | undefined) => Promise<{ items: Item[]; next: string | null }>,
): AsyncGenerator<Item> {
  let after: string | undefined
  do {
    const { items, next } = await page(after)
    yield* items
    after = next ?? undefined
  } while (after !== undefined)
}

/** How many the store is asked for at once. */
export const PAGE = 100

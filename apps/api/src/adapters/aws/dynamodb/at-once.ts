/**
 * As `Promise.all` over all values, but so many at once: each begins when one before it has ended.
 * @returns the results in the values' order
 * @throws what the first that fails throws: no other begins then, and those under way are not waited for
 */
export async function mapAtOnce<Value, Result>(
  values: readonly Value[],
  atOnce: number,
  run: (value: Value) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const left = values.entries()
  let hasFailed = false
  const worker = async (): Promise<void> => {
    for (const [index, value] of left) {
      if (hasFailed) return
      try {
        results[index] = await run(value)
      } catch (error) {
        hasFailed = true
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, values.length) }, worker))
  return results
}

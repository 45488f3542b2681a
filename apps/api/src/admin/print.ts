/** What a command says on standard output: lines for people, or one JSON document. */
export interface Printer {
  /** One result: the document, or the lines. */
  one(document: object, lines: readonly string[]): void
  /**
   * Many results, each as soon as it is there, so that no secret is lost when a later one fails; the document ends well even then.
   * @param name the list's name in the document
   * @param options `closing` is the last lines for people
   */
  list<Item>(
    name: string,
    items: AsyncIterable<Item>,
    options: {
      document(item: Item): object
      lines(item: Item): readonly string[]
      closing?(count: number): readonly string[]
    },
  ): Promise<void>
}

export function createPrinter(json: boolean, write: (text: string) => unknown): Printer {
  const writeLines = (lines: readonly string[]) => lines.forEach((line) => void write(`${line}\n`))
  return {
    one: (document, lines) => (json ? write(`${JSON.stringify(document, null, 2)}\n`) : writeLines(lines)),
    list: async (name, items, { document, lines, closing }) => {
      let count = 0
      if (json) write(`{${JSON.stringify(name)}:[`)
      try {
        for await (const item of items) {
          if (json) write(`${count === 0 ? '' : ','}\n${JSON.stringify(document(item))}`)
          else writeLines(lines(item))
          count++
        }
      } finally {
        if (json) write(`${count === 0 ? '' : '\n'}]}\n`)
      }
      if (!json) writeLines(closing?.(count) ?? [])
    },
  }
}

import { describe, expect, it } from 'vitest'
import { createPrinter } from './print.ts'

async function* failingAfter(...items: number[]): AsyncGenerator<number> {
  yield* items
  throw new Error('no more')
}

async function* allOf(...items: number[]): AsyncGenerator<number> {
  yield* items
}

function printed(json: boolean) {
  const output = { text: '' }
  const print = createPrinter(json, (text) => {
    output.text += text
  })
  const list = (items: AsyncIterable<number>) =>
    print.list('items', items, {
      document: (item) => ({ item }),
      lines: (item) => [`item ${item}`],
      closing: (count) => [`${count} in all`],
    })
  return { output, print, list }
}

describe('what a command prints', () => {
  it('is one JSON document, or lines', () => {
    const asJson = printed(true)
    asJson.print.one({ a: 1 }, ['one'])
    expect(JSON.parse(asJson.output.text)).toEqual({ a: 1 })
    const asText = printed(false)
    asText.print.one({ a: 1 }, ['one', 'two'])
    expect(asText.output.text).toBe('one\ntwo\n')
  })

  it.each([[], [1], [1, 2, 3]])('is one JSON document for a list too (%j)', async (...items) => {
    const { output, list } = printed(true)
    await list(allOf(...items))
    expect(JSON.parse(output.text)).toEqual({ items: items.map((item) => ({ item })) })
  })

  it('is a line for each item, and a last one', async () => {
    const { output, list } = printed(false)
    await list(allOf(1, 2))
    expect(output.text).toBe('item 1\nitem 2\n2 in all\n')
  })

  it('has what there was before a failure, as a whole document', async () => {
    const { output, list } = printed(true)
    await expect(list(failingAfter(1, 2))).rejects.toThrow('no more')
    expect(JSON.parse(output.text)).toEqual({ items: [{ item: 1 }, { item: 2 }] })
    const asText = printed(false)
    await expect(asText.list(failingAfter(1))).rejects.toThrow('no more')
    expect(asText.output.text).toBe('item 1\n')
  })

  it('has each item as soon as it is there', async () => {
    const { output, list } = printed(true)
    let seen = ''
    async function* watched() {
      yield 1
      seen = output.text
      yield 2
    }
    await list(watched())
    expect(seen).toContain('{"item":1}')
  })
})

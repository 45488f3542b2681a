import fc from 'fast-check'
import { expect, it } from 'vitest'
import { linesOf } from './text-lines.ts'

async function* chunks(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}

async function read(source: AsyncIterable<Uint8Array>): Promise<[number, string][]> {
  const lines: [number, string][] = []
  for await (const { number, bytes } of linesOf(source)) lines.push([number, bytes.toString()])
  return lines
}

it('gives the same lines however the text is cut', async () => {
  const text = fc.array(fc.string({ unit: fc.constantFrom('a', 'ö', '🚀', '\r', '"') }))
  await fc.assert(
    fc.asyncProperty(text, fc.array(fc.nat(40)), async (lines, cuts) => {
      const whole = Buffer.from(lines.map((line) => `${line}\n`).join(''))
      const parts: Uint8Array[] = []
      let from = 0
      for (const cut of cuts) {
        parts.push(whole.subarray(from, from + cut))
        from += cut
      }
      expect(await read(chunks(...parts, whole.subarray(from)))).toEqual(lines.map((line, index) => [index + 1, line]))
    }),
  )
})

it('keeps a line when its chunk is overwritten', async () => {
  async function* reused() {
    const buffer = Buffer.alloc(3)
    for (const part of ['abc', 'def', '\ngh', 'ij\n']) {
      buffer.write(part)
      yield buffer
    }
  }
  expect(await read(reused())).toEqual([
    [1, 'abcdef'],
    [2, 'ghij'],
  ])
})

it('names the line that has no end, and one that is too long before it is all there', async () => {
  await expect(read(chunks('a\nb\nc'))).rejects.toThrow('Line 3 has no end')
  let given = 0
  async function* endless() {
    yield Buffer.from('a\n')
    for (; given < 100; given++) yield Buffer.alloc(1_048_576, 'x')
  }
  await expect(read(endless())).rejects.toThrow('Line 2 has more than')
  expect(given).toBeLessThan(20)
  expect(await read(chunks())).toEqual([])
})

const LINE_FEED = 0x0a
/** A delivery may have a hundred answers of 4 kB, escaped. */
const MAX_LINE_BYTES = 16 * 1024 * 1024

/** A line that cannot be taken, by its number. */
export class LineError extends Error {
  override name = 'LineError'
  readonly line: number

  constructor(line: number, message: string) {
    super(`Line ${line} ${message}`)
    this.line = line
  }
}

export interface TextLine {
  /** 1 for the first. */
  number: number
  bytes: Buffer
}

/**
 * The lines of a text as they come, without their ends.
 * @throws LineError for one that is too long, or has no end
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TextLine> {
  let rest: Buffer[] = []
  let restBytes = 0
  let number = 1
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let from = 0
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, from)) {
      const piece = bytes.subarray(from, end)
      if (restBytes + piece.length > MAX_LINE_BYTES) throw tooLong(number)
      yield { number, bytes: rest.length === 0 ? piece : Buffer.concat([...rest, piece]) }
      number++
      from = end + 1
      rest = []
      restBytes = 0
    }
    if (from === bytes.length) continue
    // A copy: the chunk's memory may be used again.
    rest.push(Buffer.from(bytes.subarray(from)))
    restBytes += bytes.length - from
    if (restBytes > MAX_LINE_BYTES) throw tooLong(number)
  }
  if (restBytes > 0) throw new LineError(number, 'has no end: the file was cut off')
}

function tooLong(number: number): LineError {
  return new LineError(number, `has more than ${MAX_LINE_BYTES} bytes`)
}

import { createHash } from 'node:crypto'

/** A number from 0 up to 1 that is as good as random, and the same for the same words: what fails does not hang on the order in which things happen. */
export function chance(words: string): number {
  return createHash('sha256').update(words).digest().readUInt32BE() / 2 ** 32
}

import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'

/** Shorter texts are not worth the time: an item is counted in whole kilobytes. */
const MIN_BYTES = 900

/** A text as it is stored: itself, or compressed by Zstandard (RFC 8878) where that is shorter. */
export type Compressed = string | Uint8Array

export function compressed(text: string): Compressed {
  const bytes = Buffer.from(text)
  if (bytes.length < MIN_BYTES) return text
  const packed = zstdCompressSync(bytes)
  return packed.length < bytes.length ? packed : text
}

export function textOf(stored: Compressed): string {
  return typeof stored === 'string' ? stored : zstdDecompressSync(stored).toString()
}

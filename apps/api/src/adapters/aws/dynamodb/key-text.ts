import { createHash } from 'node:crypto'

/** A text that comes from elsewhere, as part of a key: itself, or a digest of what is long or has bytes that no key should have. */
export function keyText(text: string): string {
  if (/^[\w.:-]{1,200}$/.test(text)) return text
  // In UTF-16, as UTF-8 knows lone surrogates by one replacement for all of them.
  return `%${createHash('sha256').update(text, 'utf16le').digest('base64url')}`
}

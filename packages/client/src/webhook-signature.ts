import { base64Of, bytesOf, hmacSha256 } from './signing.ts'

const SIGNATURE_BYTES = 32
const PREFIX = 'whsec_'
const MIN_KEY_BYTES = 16
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** The Standard Webhooks signature, version 1. */
export async function standardSignature(secret: string, id: string, timestamp: string, body: Uint8Array): Promise<Uint8Array> {
  const head = bytesOf(`${id}.${timestamp}.`)
  const signed = new Uint8Array(head.length + body.length)
  signed.set(head)
  signed.set(body, head.length)
  return hmacSha256(standardKey(secret), signed)
}

/** The signature of `X-Webhook-Signature`: of the body alone, under the secret as it is written. */
export async function plainSignature(secret: string, body: Uint8Array): Promise<Uint8Array> {
  return hmacSha256(bytesOf(secret), bytesOf(body))
}

/** A generated secret is base64 behind `whsec_`; any other is its own text, as users may choose theirs. */
function standardKey(secret: string): Uint8Array<ArrayBuffer> {
  const encoded = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : ''
  const decoded = BASE64.test(encoded) ? fromBase64(encoded) : new Uint8Array()
  return decoded.length >= MIN_KEY_BYTES ? decoded : bytesOf(secret)
}

/** @returns the signatures of version 1 in a `webhook-signature` header; those of other versions and other forms count for nothing */
export function parseStandardSignatures(header: string): Uint8Array[] {
  return header.split(' ').flatMap((part) => {
    const [version, encoded, ...rest] = part.split(',')
    if (version !== 'v1' || encoded === undefined || rest.length > 0 || !BASE64.test(encoded)) return []
    const signature = fromBase64(encoded)
    // One text alone stands for a signature: the unused bits of its last character are zero.
    return signature.length === SIGNATURE_BYTES && base64Of(signature) === encoded ? [signature] : []
  })
}

/** @returns the signature in an `X-Webhook-Signature` header; undefined if it is not lower-case hex of 32 bytes */
export function parsePlainSignature(header: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{64}$/.test(header)) return undefined
  return Uint8Array.from({ length: SIGNATURE_BYTES }, (_, index) => Number.parseInt(header.slice(index * 2, index * 2 + 2), 16))
}

/** Compares in a time that does not tell where two signatures differ. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  a.forEach((byte, index) => {
    difference |= byte ^ (b[index] ?? 0)
  })
  return difference === 0
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
}

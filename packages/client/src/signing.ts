/** What `signRequest` signs. */
export interface RequestToSign {
  method: string
  /** The request target exactly as it is sent: path and query, neither decoded nor normalised. */
  target: string
  /** The body exactly as it is sent; none for requests without one. */
  body?: string | Uint8Array | undefined
  /** The key's signing secret, as it was shown. */
  secret: string
  /** Unix seconds; the present without it. */
  timestamp?: number | undefined
}

/**
 * Signs a request to the API, for those who send it by other means than this client, which signs by itself.
 * Sign just before sending, and each retry anew: a signature is good for 5 minutes.
 *
 * @returns the three headers that the request needs
 * @example
 * const headers = await signRequest({ method: 'POST', target: '/v1/events', body, secret })
 */
export async function signRequest(request: RequestToSign): Promise<Record<string, string>> {
  const { method, target, body = '', secret, timestamp = Math.floor(Date.now() / 1000) } = request
  const mark = target.indexOf('?')
  const path = mark === -1 ? target : target.slice(0, mark)
  const query = mark === -1 ? '' : target.slice(mark + 1)
  const bodyHash = hexOf(new Uint8Array(await subtle().digest('SHA-256', bytesOf(body))))
  const signed = [method.toUpperCase(), path, query, timestamp, bodyHash].join('\n')
  return {
    'X-Signature-Version': 'v1',
    'X-Signature-Timestamp': String(timestamp),
    'X-Signature': base64Of(await hmacSha256(bytesOf(secret), bytesOf(signed))),
  }
}

/** @internal */
export async function hmacSha256(key: Uint8Array<ArrayBuffer>, data: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const imported = await subtle().importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  return new Uint8Array(await subtle().sign('HMAC', imported, data))
}

/** @internal Text as UTF-8. Shared memory is copied, as WebCrypto takes none. */
export function bytesOf(data: string | Uint8Array): Uint8Array<ArrayBuffer> {
  if (typeof data === 'string') return new TextEncoder().encode(data)
  const { buffer } = data
  return buffer instanceof ArrayBuffer ? new Uint8Array(buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)
}

/** @internal Standard base64 with padding, of a few bytes. */
export function base64Of(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

/** @internal */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function subtle() {
  // Older browsers' types promise it, but pages that came over plain http have none.
  const found = globalThis.crypto?.subtle as typeof globalThis.crypto.subtle | undefined
  if (found === undefined) throw new Error('Signatures need WebCrypto (crypto.subtle): Node 20 or newer, a worker, or a page over https.')
  return found
}

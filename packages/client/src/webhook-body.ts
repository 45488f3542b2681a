/** The bytes of a delivery as they came, up to a limit. */
import { bytesOf } from './signing.ts'
import { RawBodyRequiredError } from './webhooks.ts'

/** What a receiver takes of `http.IncomingMessage`, and of what Express and its like make of it. */
export interface NodeWebhookRequest {
  readonly method?: string | undefined
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined }
  /** What a body parser has made of the body: taken when it is the raw bytes or text. */
  readonly body?: unknown
  /** The raw body, as some platforms keep it beside the parsed one. */
  readonly rawBody?: unknown
  readonly readableDidRead?: boolean
  readonly destroyed?: boolean
  on(event: 'data' | 'end' | 'error' | 'close', listener: (value: unknown) => void): unknown
}

/** @returns undefined where it is larger than the limit @throws RawBodyRequiredError where somebody has read it before */
export async function readWebRequest(request: Request, maxBytes: number): Promise<ArrayBuffer | undefined> {
  if (request.bodyUsed) throw new RawBodyRequiredError('The body was read before: give the handler the request as it came, or its clone().')
  const body = collectedBody(maxBytes)
  const reader = request.body?.getReader()
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    if (!body.add(part.value)) {
      reader?.cancel().catch(() => {})
      return undefined
    }
  }
  return body.all()
}

/**
 * @returns undefined where it is larger than the limit; what a body parser has left, where it has read the body, for the verification to
 * take or refuse
 */
export async function readNodeRequest(request: NodeWebhookRequest, maxBytes: number): Promise<unknown> {
  const body = collectedBody(maxBytes)
  const given = [request.rawBody, request.body].find((raw) => typeof raw === 'string' || ArrayBuffer.isView(raw))
  // The bytes are a view's own, of whatever type it is.
  if (given !== undefined) return body.add(given as string | Uint8Array) ? given : undefined
  // Some parsers leave an empty object where they have read nothing.
  if (request.readableDidRead === true) return request.body ?? null
  return new Promise((resolve, reject) => {
    const close = () => reject(new Error('The body broke off.'))
    if (request.destroyed === true) close()
    // Chunks are text where an encoding was set. The rest of too large a body is read and dropped, so that the answer reaches its sender.
    request.on('data', (chunk) => body.add(chunk as Uint8Array | string) || resolve(undefined))
    request.on('end', () => resolve(body.all()))
    request.on('error', reject)
    request.on('close', close)
  })
}

/** Collects chunks, as long as they are no larger together than the limit. */
function collectedBody(maxBytes: number) {
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  return {
    /** @returns whether it still fits */
    add(chunk: string | Uint8Array): boolean {
      const bytes = bytesOf(chunk)
      size += bytes.length
      if (size <= maxBytes) chunks.push(bytes)
      return size <= maxBytes
    },
    all: () => new Blob(chunks).arrayBuffer(),
  }
}

import { SignatureVerificationError } from './errors.ts'
import { isObject } from './json.ts'
import { bytesOf } from './signing.ts'
import type { Event, JsonObject } from './types.ts'
import { isSame, parsePlainSignature, parseStandardSignatures, plainSignature, standardSignature } from './webhook-signature.ts'

/** The headers of a delivery: a `Headers`, or Node's `request.headers`, or any record; upper and lower case are the same. */
export type WebhookHeaders =
  | { forEach(callback: (value: string, name: string) => void): void }
  | { readonly [name: string]: string | readonly string[] | undefined }

/** An event as a webhook delivers it. */
export type WebhookEvent<Payload extends object = JsonObject> = Event<Payload>

export interface VerifyWebhookOptions {
  /** How far `webhook-timestamp` may lie from the clock, either way. 300 without it. */
  toleranceSeconds?: number | undefined
  /** The clock, in milliseconds, for tests. `Date.now` without it. */
  now?: (() => number) | undefined
  /**
   * Takes a delivery that has no `webhook-*` header and only `X-Webhook-Signature`, as older receivers know it.
   * **This has no replay protection**: that signature covers neither a time nor an id, so whoever has seen one delivery
   * can send it again at any time. Handle each `event_id` once, and switch this off as soon as you can.
   */
  allowPlain?: boolean | undefined
}

/** The body came parsed, so the signed bytes are gone. */
export class RawBodyRequiredError extends SignatureVerificationError {
  override readonly name = 'RawBodyRequiredError'
}

/** A header that the verification needs is missing. */
export class MissingSignatureHeaderError extends SignatureVerificationError {
  override readonly name = 'MissingSignatureHeaderError'
}

/** A header is there, but not of the form it must have. */
export class MalformedSignatureHeaderError extends SignatureVerificationError {
  override readonly name = 'MalformedSignatureHeaderError'
}

/** The delivery was signed too long ago, or in the future: a replay, or a wrong clock. */
export class StaleTimestampError extends SignatureVerificationError {
  override readonly name = 'StaleTimestampError'
}

/** No secret made the signature: a wrong secret, or another body than the one that was signed. */
export class NoMatchingSignatureError extends SignatureVerificationError {
  override readonly name = 'NoMatchingSignatureError'
}

/** The signature is right, but the body is no event: it was signed by somebody who has the secret, for something else. */
export class MalformedBodyError extends SignatureVerificationError {
  override readonly name = 'MalformedBodyError'
}

/**
 * Checks that a webhook delivery comes from Triggers, unchanged and just now, and gives back its event.
 *
 * @param rawBody the body's bytes or text as they came, before any JSON parser
 * @param headers the request's headers
 * @param secrets the webhook's secret; several while it is being replaced
 * @returns the event, whatever the webhook's payload format
 * @throws {SignatureVerificationError} one of its subclasses, by cause: answer 400 and do nothing else
 * @throws {TypeError} when there is no secret, or an option makes no sense: the receiver is set up wrongly
 * @example
 * app.post('/webhooks', async (c) => {
 *   const event = await verifyWebhook<Order>(await c.req.text(), c.req.raw.headers, secret)
 *   console.log(event.event_type, event.payload)
 *   return c.body(null, 204)
 * })
 */
export async function verifyWebhook<Payload extends object = JsonObject>(
  rawBody: string | Uint8Array | ArrayBuffer,
  headers: WebhookHeaders,
  secrets: string | readonly string[],
  options: VerifyWebhookOptions = {},
): Promise<WebhookEvent<Payload>> {
  const { toleranceSeconds = 300, now = Date.now, allowPlain = false } = options
  if (!(toleranceSeconds >= 0)) throw new TypeError('toleranceSeconds must be a number, 0 or more.')
  const keys = secretsOf(secrets)
  const body = bodyBytes(rawBody)
  const found = signatureHeaders(headers)
  const plain = found.get('x-webhook-signature')
  const isPlain = allowPlain && plain !== undefined && ![...found.keys()].some((name) => name.startsWith('webhook-'))
  if (isPlain) await verifyPlain(body, plain, keys)
  else await verifyStandard(body, found, keys, now() / 1000, toleranceSeconds, allowPlain)
  return eventIn(body)
}

async function verifyStandard(
  body: Uint8Array,
  headers: Map<string, string>,
  secrets: readonly string[],
  nowSeconds: number,
  toleranceSeconds: number,
  allowPlain: boolean,
): Promise<void> {
  const id = headers.get('webhook-id')
  const timestamp = headers.get('webhook-timestamp')
  const header = headers.get('webhook-signature')
  if (!id || !timestamp || !header) throw missing(headers, allowPlain)
  if (!/^\d{1,12}$/.test(timestamp)) throw new MalformedSignatureHeaderError('webhook-timestamp is not a whole number of Unix seconds.')
  const signatures = parseStandardSignatures(header)
  if (signatures.length === 0) {
    throw new MalformedSignatureHeaderError('webhook-signature has no signature of the form "v1,<base64 of 32 bytes>".')
  }
  // Written so that a clock that gives NaN refuses.
  const ageSeconds = nowSeconds - Number(timestamp)
  if (!(Math.abs(ageSeconds) <= toleranceSeconds)) {
    const distance = `${Math.ceil(Math.abs(ageSeconds))} seconds ${ageSeconds < 0 ? 'ahead of' : 'behind'}`
    throw new StaleTimestampError(
      `webhook-timestamp is ${distance} this clock; ${toleranceSeconds} are allowed: an old delivery sent again, or a wrong clock on this machine.`,
    )
  }
  await requireMatch(signatures, secrets, (secret) => standardSignature(secret, id, timestamp, body))
}

async function verifyPlain(body: Uint8Array, header: string, secrets: readonly string[]): Promise<void> {
  const signature = parsePlainSignature(header)
  if (signature === undefined) throw new MalformedSignatureHeaderError('X-Webhook-Signature is not 64 lower-case hex digits.')
  await requireMatch([signature], secrets, (secret) => plainSignature(secret, body))
}

async function requireMatch(
  signatures: readonly Uint8Array[],
  secrets: readonly string[],
  signatureUnder: (secret: string) => Promise<Uint8Array>,
): Promise<void> {
  let matches = false
  // All are compared: the time does not tell which secret it was.
  for (const secret of secrets) {
    const expected = await signatureUnder(secret)
    for (const signature of signatures) if (isSame(signature, expected)) matches = true
  }
  if (matches) return
  throw new NoMatchingSignatureError(
    'No secret given made this signature: wrong secret, or the body was changed, or parsed and serialised again. ' +
      'Give the body as it came, and the secret of this very webhook.',
  )
}

function missing(headers: Map<string, string>, allowPlain: boolean): MissingSignatureHeaderError {
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].filter((name) => !headers.get(name))
  const plainAlone = names.length === 3 && headers.has('x-webhook-signature') && !allowPlain
  const hint = plainAlone
    ? 'There is an X-Webhook-Signature, which counts only with allowPlain and has no replay protection.'
    : 'Is this a delivery of Triggers, and were all its headers passed on?'
  return new MissingSignatureHeaderError(`Missing: ${names.join(', ')}. ${hint}`)
}

/** @internal @throws TypeError when there is none */
export function secretsOf(secrets: string | readonly string[]): readonly string[] {
  const list = typeof secrets === 'string' ? [secrets] : secrets
  // Callers in JavaScript give what an unset environment variable holds.
  if (!Array.isArray(list) || list.length === 0 || list.some((secret) => typeof secret !== 'string' || secret === '')) {
    throw new TypeError('Give the webhook secret, or a list of them: it is missing or empty. Is its environment variable set?')
  }
  return list
}

function bodyBytes(rawBody: unknown): Uint8Array {
  if (typeof rawBody === 'string') return bytesOf(rawBody)
  // Not by instanceof: test runners have classes of their own.
  if (ArrayBuffer.isView(rawBody)) return new Uint8Array(rawBody.buffer, rawBody.byteOffset, rawBody.byteLength)
  if (Object.prototype.toString.call(rawBody) === '[object ArrayBuffer]') return new Uint8Array(rawBody as ArrayBuffer)
  const given = rawBody === null ? 'null' : typeof rawBody === 'object' ? 'a parsed object' : typeof rawBody
  throw new RawBodyRequiredError(
    `Give the raw body: its text or bytes as they came; this is ${given}. ` +
      'In Express use express.raw({ type: "application/json" }) on this route, elsewhere await request.text().',
  )
}

/** The headers that matter here, by lower-case name. One that comes twice is refused: which of the two was signed is anybody's guess. */
function signatureHeaders(headers: WebhookHeaders): Map<string, string> {
  const found = new Map<string, string>()
  const add = (name: string, value: string | readonly string[] | undefined) => {
    const lower = name.toLowerCase()
    if (value === undefined || !(lower.startsWith('webhook-') || lower === 'x-webhook-signature')) return
    const values = typeof value === 'string' ? [value] : value
    if (values.length > 1 || found.has(lower)) throw new MalformedSignatureHeaderError(`${lower} came more than once.`)
    found.set(lower, values[0] ?? '')
  }
  if (typeof headers.forEach === 'function') headers.forEach((value, name) => add(name, value))
  else for (const [name, value] of Object.entries(headers as Record<string, string | readonly string[] | undefined>)) add(name, value)
  return found
}

/** Reads both payload formats: the event itself, and `{type, timestamp, data: the event}`. */
function eventIn<Payload extends object>(body: Uint8Array): WebhookEvent<Payload> {
  const parsed = parse(body)
  if (!isObject(parsed))
    throw new MalformedBodyError('The signature is right, but the body is not a JSON object: it is no delivery of an event.')
  const isWrapped = !('event_id' in parsed) && 'type' in parsed && isObject(parsed['data'])
  // What it holds is what its sender says, who is known by now.
  return (isWrapped ? parsed['data'] : parsed) as unknown as WebhookEvent<Payload>
}

/** @returns undefined where the bytes are no JSON */
function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    return undefined
  }
}

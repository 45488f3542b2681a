import { SignatureVerificationError } from './errors.ts'
import type { JsonObject, TriggersEvents } from './types.ts'
import { type NodeWebhookRequest, readNodeRequest, readWebRequest } from './webhook-body.ts'
import { handlerOf, handlersByPattern } from './webhook-patterns.ts'
import {
  MalformedBodyError,
  NoMatchingSignatureError,
  RawBodyRequiredError,
  StaleTimestampError,
  secretsOf,
  type VerifyWebhookOptions,
  verifyWebhook,
  type WebhookEvent,
  type WebhookHeaders,
} from './webhooks.ts'

/** Twice what the largest event needs. */
const MAX_BYTES = 1_048_576

/** What is known of a delivery beside its event. */
export interface WebhookContext {
  /** The `webhook-id`: the same for every attempt, retry and replay of an event. */
  messageId: string
}

/** Works on one event. What it returns, or resolves to, means nothing; when it throws, the delivery is tried again later. */
export type WebhookEventHandler<Payload extends object = JsonObject, Type extends string = string> = {
  // A method, whose parameters may be narrower: `TriggersEvents` are events like others.
  handle(event: WebhookEvent<Payload> & { event_type: Type }, context: WebhookContext): unknown
}['handle']

type OwnHandlers = { [Type in keyof TriggersEvents]?: WebhookEventHandler<TriggersEvents[Type], Type> | undefined }

/** What handles events, by type or pattern: `order.placed`, `user.*`, `*`. */
export interface WebhookHandlers extends OwnHandlers {
  [pattern: string]: WebhookEventHandler | undefined
}

type Pattern = `${string}.*` | '*'

type PatternHandlers = { [Name in Pattern]?: WebhookEventHandler | undefined }

/** The same for declared types: no other type has a handler. Patterns may be declared, too; without any, all are allowed. */
export type TypedWebhookHandlers<Events extends object> = OwnHandlers & {
  [Name in keyof Events & string]?:
    | WebhookEventHandler<Events[Name] extends object ? Events[Name] : never, Name extends Pattern ? string : Name>
    | undefined
} & ([keyof Events & Pattern] extends [never] ? PatternHandlers : unknown)

/** What went wrong with a delivery. */
export interface WebhookErrorContext {
  /** `verify`: it was refused. `handler`: yours threw. `seen`: yours could not be asked or told. */
  stage: 'verify' | 'handler' | 'seen'
  /** Undefined where the delivery was refused. */
  event: WebhookEvent<object> | undefined
}

/** The messages that were handled: a `Set` will do for one process, a table or a cache for several. */
export interface SeenMessages {
  has(messageId: string): unknown
  /** Called after the handler has succeeded. */
  add(messageId: string): unknown
}

/** How deliveries are received. */
export interface WebhookHandlerOptions<Handlers = WebhookHandlers> extends VerifyWebhookOptions {
  /** The webhook's secret; several while one replaces the other; or what gives them, asked at each delivery. */
  secret: string | readonly string[] | (() => string | readonly string[] | Promise<string | readonly string[]>)
  /** The most exact name that matches an event gets it, alone. `*` is not given `triggers.*`. */
  on: Handlers
  /** Gets the events that no name matches. Without it they are answered with 204, and nothing is done. */
  onUnhandled?: WebhookEventHandler | undefined
  /** Learns of what went wrong. Default: `console.error`, but for deliveries that were refused, as anybody can send those. */
  onError?: ((error: unknown, context: WebhookErrorContext) => unknown) | undefined
  /** Passes over what was handled before. */
  seen?: SeenMessages | undefined
  /** The largest body that is taken. Default: 1,048,576. */
  maxBytes?: number | undefined
}

/** What a receiver gives of `http.ServerResponse`. */
export interface NodeWebhookResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(text?: string): unknown
}

/** A receiver of deliveries, for either kind of server. Neither function needs its object. */
export interface WebhookHandler {
  /** For whatever knows `Request`, such as Next.js, Hono, Deno, Bun or a worker. It never rejects. */
  fetch(this: void, request: Request): Promise<Response>
  /** For `node:http`, Express and their like. The body must be the raw one: no `express.json()` before it. It never rejects. */
  node(this: void, request: NodeWebhookRequest, response: NodeWebhookResponse): Promise<void>
}

interface Answer {
  status: number
  /** Shown with the attempt by the server. */
  text: string | undefined
  headers: Record<string, string>
}

/**
 * Makes a receiver: it verifies deliveries, in either payload format, and hands each event to the handler of its type. It answers 204 when
 * that has succeeded, 500 when it has thrown, 401 or 400 when the delivery is not genuine, 405 and 413 for what is none. All but
 * 204 is tried again by the server.
 *
 * @throws TypeError when there is no secret, or a name in `on` is no pattern: a receiver that can take nothing should not start
 * @example
 * const webhook = webhookHandler<{ 'order.placed': { order: number } }>({
 *   secret: process.env.TRIGGERS_WEBHOOK_SECRET ?? '',
 *   on: {
 *     'order.placed': async (event) => ship(event.payload.order),
 *     'triggers.webhook.disabled': (event) => alert(event.payload.reason),
 *   },
 * })
 * export const POST = webhook.fetch // or: app.post('/webhooks', webhook.node)
 */
export function webhookHandler(options: WebhookHandlerOptions): WebhookHandler
export function webhookHandler<Events extends object>(options: WebhookHandlerOptions<TypedWebhookHandlers<Events>>): WebhookHandler
export function webhookHandler(options: WebhookHandlerOptions): WebhookHandler {
  const { secret, on, onUnhandled, onError = printError, seen, maxBytes = MAX_BYTES, ...verifyOptions } = options
  if (typeof secret !== 'function') secretsOf(secret)
  if (!(maxBytes > 0)) throw new TypeError('maxBytes must be a number, more than 0.')
  const handlers = handlersByPattern(on)
  const running = new Map<string, Promise<void>>()

  return {
    async fetch(request) {
      const messageId = request.headers.get('webhook-id')
      const { status, text, headers } = await answer(request, messageId, () => readWebRequest(request, maxBytes))
      return new Response(text ?? null, { status, headers })
    },
    async node(request, response) {
      const messageId = request.headers['webhook-id']?.toString()
      const { status, text, headers } = await answer(request, messageId, () => readNodeRequest(request, maxBytes))
      response.statusCode = status
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
      response.end(text)
    },
  }

  async function answer(
    request: { method?: string | undefined; headers: WebhookHeaders },
    givenId: string | null | undefined,
    readBody: () => Promise<unknown>,
  ): Promise<Answer> {
    if (request.method !== 'POST') return textAnswer(405, 'Webhooks are sent with POST.', { allow: 'POST' })
    let stage: WebhookErrorContext['stage'] = 'verify'
    let event: WebhookEvent | undefined
    let isTooLarge = false
    try {
      const body = await readBody()
      isTooLarge = body === undefined
      if (isTooLarge) throw new SignatureVerificationError(`The body is larger than ${maxBytes} bytes.`)
      // What a body may be, and what it must not, is for the verification to say.
      const verified = await verifyWebhook(
        body as string,
        request.headers,
        typeof secret === 'function' ? await secret() : secret,
        verifyOptions,
      )
      if (typeof verified.event_type !== 'string') throw new MalformedBodyError('The event has no event_type.')
      event = verified
      // The plain signature comes without an id.
      const messageId = givenId ?? `msg_${String(verified.event_id).replaceAll('-', '')}`
      const run = async () => {
        stage = 'seen'
        if (await seen?.has(messageId)) return
        stage = 'handler'
        await (handlerOf(handlers, verified.event_type) ?? onUnhandled)?.(verified, { messageId })
        try {
          await seen?.add(messageId)
        } catch (error) {
          // It is handled all the same: to have it sent again would do more harm than good.
          await report(error, { stage: 'seen', event })
        }
      }
      stage = 'handler'
      await (seen === undefined ? run() : joinRunning(messageId, run))
      return { status: 204, text: undefined, headers: {} }
    } catch (error) {
      await report(error, { stage, event })
      // What a handler throws is nobody's business but the receiver's own.
      if (stage !== 'verify' || !(error instanceof SignatureVerificationError)) return textAnswer(500, 'The receiver failed.')
      return textAnswer(isTooLarge ? 413 : refusalStatus(error), error.message)
    }
  }

  /** Where the same message is under way here, its outcome: the sender has given up waiting for it, and sent it again. */
  function joinRunning(messageId: string, run: () => Promise<void>): Promise<void> {
    const work = running.get(messageId) ?? run().finally(() => running.delete(messageId))
    running.set(messageId, work)
    return work
  }

  /** Awaited, as a worker may end with its answer. What it throws changes nothing. */
  async function report(error: unknown, context: WebhookErrorContext): Promise<void> {
    try {
      await onError(error, context)
    } catch {}
  }
}

function textAnswer(status: number, text: string, headers?: Record<string, string>): Answer {
  return { status, text, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers } }
}

/** None is 410, which would switch the webhook off. */
function refusalStatus(error: unknown): number {
  if (error instanceof NoMatchingSignatureError || error instanceof StaleTimestampError) return 401
  // The body came parsed: the receiver is to be mended, and then gets the delivery again.
  return error instanceof RawBodyRequiredError ? 500 : 400
}

function printError(error: unknown, { stage, event }: WebhookErrorContext): void {
  // What anybody can send fills no log.
  if (stage === 'verify' && error instanceof SignatureVerificationError && refusalStatus(error) !== 500) return
  console.error(`triggers: ${stage} failed${event === undefined ? '' : ` for event ${event.event_id}`}:`, error)
}

/** Makes the calls of a job with the TypeScript client, as it is built. */
import { inspect } from 'node:util'
import {
  ApiError,
  type BatchResult,
  ConnectionError,
  type EventInput,
  type RequestOptions,
  SignatureVerificationError,
  TimeoutError,
  Triggers,
  type TriggersOptions,
  verifyWebhook,
} from '@triggers/client'
import type { Call, Done, Driver, Failure, Job, Outcome } from './driver.ts'

export const typescriptDriver: Driver = { language: 'TypeScript', run }

async function run({ client, environment = {}, calls, concurrency = 1, abortAfterMs, abortAtDelayMs }: Job): Promise<Done> {
  const controller = new AbortController()
  const delaysMs: number[] = []
  const printed: string[] = []
  const logger: TriggersOptions['logger'] = {
    onRequest: (info) => void printed.push(inspect(info)),
    onResponse: (info) => void printed.push(inspect(info)),
    onRetry: (info) => {
      printed.push(inspect(info, { depth: 10 }))
      delaysMs.push(info.delayMs)
      if (abortAtDelayMs !== undefined && info.delayMs > abortAtDelayMs) controller.abort(new Error('The test aborts.'))
    },
  }
  // Read when the client is made.
  Object.assign(process.env, environment)
  let triggers: Triggers
  try {
    triggers = new Triggers({ ...client, logger })
  } catch (error) {
    return { outcomes: calls.map(() => ({ error: failureOf(error, controller.signal) })), delaysMs, printed: print(error) }
  } finally {
    for (const name of Object.keys(environment)) delete process.env[name]
  }
  printed.push(print(triggers), print(triggers.events))

  const timer = abortAfterMs === undefined ? undefined : setTimeout(() => controller.abort(new Error('The test aborts.')), abortAfterMs)
  const outcomes: Outcome[] = []
  let next = 0
  const work = async () => {
    while (next < calls.length) {
      const at = next++
      const call = calls[at]
      if (call === undefined) return
      outcomes[at] = await make(triggers, call, controller.signal).then(
        (value) => ({ value }),
        (error) => {
          printed.push(print(error))
          return { error: failureOf(error, controller.signal) }
        },
      )
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  clearTimeout(timer)
  return { outcomes, delaysMs, printed: printed.join('\n') }
}

async function make(triggers: Triggers, call: Call, signal: AbortSignal): Promise<unknown> {
  const options: RequestOptions = { signal }
  const { events, inbox, apiKeys } = triggers
  switch (call.name) {
    case 'health':
      return triggers.health(options)
    case 'whoami':
      return triggers.whoami(options)
    case 'create':
      // The tests send metadata of strings, which the type divides into its named keys and the rest.
      return events.create(call.event as EventInput, { ...options, idempotencyKey: call.idempotencyKey })
    case 'createMany':
      return many(events.createMany(call.events as EventInput[], { ...options, concurrency: call.concurrency }), signal)
    case 'get':
      return events.get(call.id, options)
    case 'delete':
      return events.delete(call.id, options)
    case 'ack':
      return inbox.ack(call.id, options)
    case 'finish':
      await inbox.ack(call.id, options)
      return events.delete(call.id, options)
    case 'deleteMany':
      return many(events.deleteMany(call.ids, { ...options, concurrency: call.concurrency }), signal)
    case 'ackMany':
      return many(inbox.ackMany(call.ids, { ...options, concurrency: call.concurrency }), signal)
    case 'events':
      return idsOf(events.list({ limit: call.limit, source: call.source }, options))
    case 'inbox':
      return idsOf(inbox.list({ limit: call.limit, source: call.source }, options))
    case 'createKey':
      return apiKeys.create({ name: call.keyName, scopes: ['events:read'] }, options)
    case 'revokeKey':
      return apiKeys.delete(call.id, options)
    case 'consume':
      return consume(triggers, call, signal)
    case 'verify':
      return verifyWebhook(call.body, call.headers, call.secrets, { now: () => call.nowSeconds * 1000, allowPlain: call.allowPlain })
    default:
      throw new Error(`No such call: ${call satisfies never}`)
  }
}

async function consume(
  triggers: Triggers,
  { count, concurrency, failFor = [] }: Call & { name: 'consume' },
  signal: AbortSignal,
): Promise<string[]> {
  const stop = new AbortController()
  const handled: string[] = []
  await triggers.inbox.consume(
    async ({ event_id }) => {
      handled.push(event_id)
      if (handled.length >= count) stop.abort()
      if (failFor.includes(event_id)) throw new Error('The handler fails.')
    },
    { concurrency, signal: AbortSignal.any([signal, stop.signal]), onError: () => {} },
  )
  return handled
}

async function idsOf(list: AsyncIterable<{ event_id: string }>): Promise<string[]> {
  const ids: string[] = []
  for await (const { event_id } of list) ids.push(event_id)
  return ids
}

async function many(results: Promise<BatchResult<unknown>[]>, signal: AbortSignal): Promise<Outcome[]> {
  return (await results).map((result) => (result.ok ? { value: result.value } : { error: failureOf(result.error, signal) }))
}

function failureOf(error: unknown, signal: AbortSignal): Failure {
  if (!(error instanceof Error)) return { kind: 'other', name: typeof error, message: String(error) }
  const { name, message } = error
  if (error instanceof ApiError) {
    const { status, code, requestId } = error
    return { kind: 'api', name, status, code, ...(requestId !== undefined && { requestId }), message }
  }
  if (error instanceof ConnectionError) return { kind: 'connection', name, message, requestId: error.requestId }
  if (error instanceof TimeoutError) return { kind: 'timeout', name, message, requestId: error.requestId }
  if (error instanceof SignatureVerificationError) return { kind: 'signature', name, message }
  return { kind: signal.aborted && error === signal.reason ? 'aborted' : 'other', name, message }
}

/** In every way that a program prints a thing, with all that it holds. */
function print(thing: unknown): string {
  const ways = [String(thing), inspect(thing, { depth: 20, showHidden: true }), JSON.stringify(thing)]
  if (thing instanceof Error) ways.push(thing.stack ?? '', inspect(Object.getOwnPropertyDescriptors(thing), { depth: 20 }))
  return ways.join('\n')
}

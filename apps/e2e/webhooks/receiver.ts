/** Who is sent the webhooks of a test: it keeps all that it gets, and answers as the test tells it to. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface Received {
  /** By `X-Webhook-Id`. */
  webhookId: string
  /** The header `webhook-id`: the same for every try at an event. */
  messageId: string
  /** How often this webhook was sent this message: 1 for the first time. */
  time: number
  path: string
  headers: IncomingHttpHeaders
  body: Buffer
  /** What was made of it; undefined as long as nothing was. */
  reply: Reply | undefined
}

export interface Answer {
  status: number
  headers?: Record<string, string>
  body?: string
}

/** Does with the response what it likes. */
export type Act = (response: ServerResponse) => unknown
/** A number is a status without more. */
export type Reply = number | Answer | 'reset' | 'hang' | Act
export type Respond = (received: Received) => Reply | Promise<Reply>

export interface Receiver {
  url: string
  /** In the order in which they came, each whole. */
  received: Received[]
  /** What the webhook got, by message. */
  of(webhookId: string): Map<string, Received[]>
  close(): Promise<void>
}

/** How an event's id is written in `webhook-id`. */
export const messageIdOf = (eventId: string): string => `msg_${eventId.replaceAll('-', '')}`

export const isAccepted = ({ reply }: Received): boolean => reply === undefined || statusOf(reply) < 300

/** 999 where there is no answer that could be one of success. */
function statusOf(reply: Reply): number {
  if (typeof reply === 'number') return reply
  return typeof reply === 'object' ? reply.status : 999
}

export async function startReceiver(respond: Respond = () => 204): Promise<Receiver> {
  const received: Received[] = []
  const byWebhook = new Map<string, Map<string, Received[]>>()
  const of = (webhookId: string) => {
    const messages = byWebhook.get(webhookId) ?? new Map<string, Received[]>()
    byWebhook.set(webhookId, messages)
    return messages
  }
  const server = createServer(async (request, response) => {
    // One that breaks off has not come.
    const body = await buffer(request).catch(() => undefined)
    if (body === undefined) return
    const { headers, url: path = '' } = request
    const messageId = String(headers['webhook-id'])
    const webhookId = String(headers['x-webhook-id'])
    const before = of(webhookId).get(messageId) ?? []
    const one: Received = { webhookId, messageId, time: before.length + 1, path, headers, body, reply: undefined }
    of(webhookId).set(messageId, [...before, one])
    received.push(one)
    one.reply = await respond(one)
    answer(one.reply, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // It listens on a TCP port, so its address is of that form.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    of,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

function answer(reply: Reply, response: ServerResponse): void {
  if (typeof reply === 'function') reply(response)
  else if (reply === 'reset') response.socket?.resetAndDestroy()
  else if (typeof reply === 'number') response.writeHead(reply).end()
  else if (reply !== 'hang') response.writeHead(reply.status, reply.headers).end(reply.body)
}

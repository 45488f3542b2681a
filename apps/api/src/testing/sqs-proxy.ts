/** In front of an SQS, or in place of one: what a test does to its requests. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'

export interface SqsAnswer {
  status: number
  /** Sent as JSON; a string as it is. */
  body: unknown
}

export interface SqsProxy {
  url: string
  /** The name of each call that came, in order: `SendMessageBatch`. */
  calls: string[]
  /**
   * Decides on each call from now on: an answer, `'hang'` for none, `'reset'` for a broken connection; undefined: the SQS behind answers.
   */
  take(handler: Handler): void
  close(): Promise<void>
}

// Requests of the SDK, of every form.
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Handler = (call: string, body: any) => SqsAnswer | 'hang' | 'reset' | undefined

/** An error as SQS answers it. */
export const sqsError = (name: string, message = 'No.', status = 400): SqsAnswer => ({
  status,
  body: { __type: `com.amazonaws.sqs#${name}`, message },
})

/** @param to the SQS behind; without one every call needs an answer of the test's */
export async function startSqsProxy(to?: string): Promise<SqsProxy> {
  const calls: string[] = []
  let handler: Handler = () => undefined

  async function forward(request: IncomingMessage, body: Buffer): Promise<{ status: number; type: string; body: string }> {
    const answer = await fetch(`${to}${request.url}`, {
      method: 'POST',
      headers: { 'content-type': String(request.headers['content-type']), 'x-amz-target': String(request.headers['x-amz-target']) },
      body: new Uint8Array(body),
    })
    return { status: answer.status, type: answer.headers.get('content-type') ?? '', body: await answer.text() }
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = String(request.headers['x-amz-target']).replace('AmazonSQS.', '')
    const body = await buffer(request)
    calls.push(call)
    const answer = handler(call, JSON.parse(body.toString()))
    if (answer === 'hang') return
    if (answer === 'reset') {
      request.socket.destroy()
    } else if (answer !== undefined) {
      response
        .writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.0' })
        .end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body))
    } else {
      const behind = await forward(request, body).catch(() => ({ status: 503, type: 'text/plain', body: 'nobody is there' }))
      response.writeHead(behind.status, { 'content-type': behind.type }).end(behind.body)
    }
  }

  const server = createServer((request, response) => {
    // A caller that has gone before its request was whole.
    serve(request, response).catch(() => request.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The proxy has no port.')
  return {
    url: `http://127.0.0.1:${address.port}`,
    calls,
    take: (next) => {
      handler = next
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

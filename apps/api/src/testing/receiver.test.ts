import { connect } from 'node:net'
import { Agent, fetch } from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type ReceiverOptions, type Reply, startReceiver } from './receiver.ts'
import { hasOpenssl, makeCertificate } from './tls-certificate.ts'

if (!hasOpenssl) console.warn('SKIPPED: the receiver with TLS needs openssl, and there is none here.')

async function receiver(options: ReceiverOptions = {}) {
  const started = await startReceiver(options)
  onTestFinished(() => started.close())
  return started
}

const post = (url: string, headers: Record<string, string> = {}, body = '{}') => fetch(url, { method: 'POST', headers, body })

it('keeps what it is sent, to the byte, and answers as it is told', async () => {
  const { url, requests } = await receiver({ respond: (_, n) => ({ status: 400 + n, headers: { 'retry-after': '7' }, body: 'later' }) })
  const answer = await post(`${url}/hook?a=%20b`, { 'X-Own': 'yes' }, '{"a": 1.10}')
  expect([answer.status, answer.headers.get('retry-after'), await answer.text()]).toEqual([401, '7', 'later'])
  expect((await post(url)).status).toBe(402)
  expect(requests).toMatchObject([
    { method: 'POST', path: '/hook?a=%20b', headers: { 'x-own': 'yes' }, receivedAtUs: expect.any(Number) },
    { path: '/' },
  ])
  expect(requests[0]?.body).toEqual(Buffer.from('{"a": 1.10}'))
  expect(requests[0]?.rawHeaders).toContain('X-Own')
})

it('counts by webhook and message', async () => {
  const { url, countBy } = await receiver()
  for (const [webhook, message] of ['a1', 'a1', 'a2', 'b1'].map((pair) => [...pair])) {
    expect((await post(url, { 'x-webhook-id': webhook ?? '', 'webhook-id': `msg_${message}` })).status).toBe(204)
  }
  expect(Object.fromEntries(countBy())).toEqual({ 'a msg_1': 2, 'a msg_2': 1, 'b msg_1': 1 })
})

it('says when requests have come, and when they cannot any more', async () => {
  const { url, requests, waitFor, close } = await receiver()
  const two = waitFor(2)
  const put = waitFor((received) => received.some(({ path }) => path === '/third'))
  for (const path of ['/first', '/second']) await post(url + path)
  await two
  expect(requests).toHaveLength(2)
  await post(`${url}/third`)
  await put
  await waitFor(3)
  const never = waitFor(4)
  const refused = expect(never).rejects.toThrow('closed after 3 requests')
  await close()
  await refused
})

const BAD: { reply: Reply; fault: RegExp }[] = [
  { reply: 'reset', fault: /ECONNRESET|other side closed/ },
  { reply: 'bad-status', fault: /Parse Error|HTTPParserError|Expected HTTP/ },
]

describe.each(['http', 'https'] as const)('by %s', (protocol) => {
  const test = it.skipIf(protocol === 'https' && !hasOpenssl)
  const start = async (reply: Reply) => {
    const tls = protocol === 'https' ? makeCertificate() : undefined
    const started = await receiver({ respond: () => reply, ...(tls !== undefined && { tls }) })
    const dispatcher = new Agent({ connect: { ca: tls?.cert } })
    onTestFinished(() => dispatcher.destroy())
    const send = () => fetch(started.url, { method: 'POST', body: '{}', dispatcher })
    return { ...started, send }
  }

  test('is a server like others', async () => {
    const { url, send } = await start({ status: 200, body: 'ok' })
    expect(url).toMatch(new RegExp(`^${protocol}://127`))
    expect(await (await send()).text()).toBe('ok')
  })

  for (const { reply, fault } of BAD) {
    test(`fails by ${JSON.stringify(reply)}`, async () => {
      const { send, requests } = await start(reply)
      const error = await send().catch((error: unknown) => error)
      const { cause } = error instanceof Error ? error : {}
      expect(String(cause instanceof Error ? `${cause} ${Reflect.get(cause, 'code')}` : error)).toMatch(fault)
      expect(requests).toHaveLength(1)
    })
  }

  test('hangs, and is closed all the same', async () => {
    const { send, waitFor, close } = await start('hang')
    const failed = expect(send()).rejects.toThrow()
    await waitFor(1)
    await close()
    await failed
  })

  test('drips, and is closed all the same', async () => {
    const { send, close } = await start('drip')
    const answer = await send()
    const reader = answer.body?.getReader()
    for (let byte = 0; byte < 3; byte++) expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('.')
    await close()
    await expect(reader?.read()).rejects.toThrow()
  })

  test('sends a gigabyte, and is closed in the midst of it', async () => {
    const { send, close } = await start('endless')
    const answer = await send()
    expect(answer.headers.get('content-length')).toBe('1000000000')
    const reader = answer.body?.getReader()
    let bytes = 0
    while (bytes < 20_000_000) bytes += (await reader?.read())?.value?.length ?? 0
    await close()
  })
})

it('does not take a request that breaks off', async () => {
  const { port, requests, waitFor, url } = await receiver()
  const socket = connect(port, '127.0.0.1')
  socket.end('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"half')
  await new Promise((resolve) => socket.resume().once('close', resolve))
  await post(`${url}/whole`)
  await waitFor(1)
  expect(requests.map(({ path }) => path)).toEqual(['/whole'])
})

it.skipIf(!hasOpenssl)('is not trusted by who does not know its certificate, nor under another name', async () => {
  const tls = makeCertificate(['DNS:receiver.test'])
  const { url, requests } = await receiver({ tls })
  for (const connect of [{}, { ca: tls.cert }]) {
    const dispatcher = new Agent({ connect })
    onTestFinished(() => dispatcher.destroy())
    await expect(fetch(url, { dispatcher })).rejects.toThrow()
  }
  expect(requests).toEqual([])
})

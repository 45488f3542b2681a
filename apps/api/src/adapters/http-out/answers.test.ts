import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, lookupOf, openHttpOut, openRawServer, openReceiver, requestTo } from '../../testing/http-out.ts'
import { answering, startRawServer } from '../../testing/raw-server.ts'

afterEach(closeAll)

describe('an answer', () => {
  it('is given with its status, body and Retry-After', async () => {
    const respond = () => ({ status: 429, headers: { 'retry-after': '120' }, body: 'slow down' })
    const { url, requests } = await openReceiver(respond)
    expect(await openHttpOut().post(requestTo(`${url}/a/b?c=d#e`, { 'x-own': 'yes', 'content-type': 'application/json' }))).toEqual({
      ...{ outcome: 'answered', statusCode: 429, retryAfter: '120', body: 'slow down', isTruncated: false },
      durationMs: expect.toSatisfy(Number.isInteger),
    })
    expect(requests).toMatchObject([{ method: 'POST', path: '/a/b?c=d', headers: { 'x-own': 'yes', 'accept-encoding': 'identity' } }])
    expect(requests[0]?.body.toString()).toBe('{"a":1}')
  })

  it.each([200, 204, 304, 400, 404, 410, 500, 503])('of %i is an answer', async (status) => {
    const { url } = await openReceiver(() => ({ status }))
    expect(await openHttpOut().post(requestTo(url))).toMatchObject({ outcome: 'answered', statusCode: status, body: '', retryAfter: null })
  })

  it.each([301, 302, 307, 308])('of %i is not followed', async (status) => {
    const other = await openReceiver()
    const { url } = await openReceiver((_request, n) => ({
      status,
      headers: { location: n === 1 ? 'http://169.254.169.254/' : other.url },
    }))
    const httpOut = openHttpOut()
    for (const _ of [1, 2]) expect(await httpOut.post(requestTo(url))).toMatchObject({ outcome: 'answered', statusCode: status })
    expect(other.requests).toEqual([])
  })

  it('has the first 4 kB of its body', async () => {
    const { url } = await openReceiver((_request, n) => ({ status: 200, body: 'x'.repeat(n === 1 ? 4096 : 4097) }))
    const httpOut = openHttpOut()
    expect(await httpOut.post(requestTo(url))).toMatchObject({ body: 'x'.repeat(4096), isTruncated: false })
    expect(await httpOut.post(requestTo(url))).toMatchObject({ body: 'x'.repeat(4096), isTruncated: true })
  })

  it.each([
    ['bytes that are no UTF-8', Buffer.from([0x61, 0xff, 0xed, 0xa0, 0x80, 0x62]), 'a\uFFFD\uFFFD\uFFFD\uFFFDb'],
    ['a NUL', Buffer.from('a\0b'), 'a\uFFFDb'],
    ['a character that is cut in two', Buffer.from(`${'x'.repeat(4095)}€`), 'x'.repeat(4095)],
    ['something compressed', Buffer.from([0x1f, 0x8b, 0x08]), '\u001F\uFFFD\b'],
  ])('may have %s', async (_what, body, text) => {
    const { url } = await openReceiver(() => ({ status: 200, headers: { 'content-encoding': 'gzip' }, body }))
    const result = await openHttpOut().post(requestTo(url))
    expect(result).toMatchObject({ outcome: 'answered', body: text })
    expect(text.isWellFormed()).toBe(true)
  })

  it('of 1 GB is read no further than needed', async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const closed = Promise.withResolvers<number>()
    const { port } = await openRawServer((socket) => {
      const write = () => {
        while (!socket.destroyed && socket.bytesWritten < 1e9 && socket.write(chunk));
      }
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n', write))
      socket.on('drain', write).once('close', () => closed.resolve(socket.bytesWritten))
    })
    const result = await openHttpOut().post(requestTo(`http://127.0.0.1:${port}/`))
    expect(result).toMatchObject({ outcome: 'answered', statusCode: 200, body: 'x'.repeat(4096), isTruncated: true })
    // What the system's buffers hold comes on top of what was read.
    expect(await closed.promise).toBeLessThan(50_000_000)
  })

  it('stands when its body never ends', async () => {
    const { url } = await openReceiver(() => 'drip')
    const result = await openHttpOut({ timeoutMs: 300 }).post(requestTo(url))
    expect(result).toMatchObject({ outcome: 'answered', statusCode: 200, body: expect.stringMatching(/^\.+$/), isTruncated: true })
  })

  it('stands when its body is cut off', async () => {
    const { port } = await openRawServer((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf')),
    )
    const result = await openHttpOut().post(requestTo(`http://127.0.0.1:${port}/`))
    expect(result).toMatchObject({ outcome: 'answered', statusCode: 200, body: 'half', isTruncated: true })
  })
})

describe('a receiver', () => {
  const failed = (error: string) => ({ outcome: 'failed', error, durationMs: expect.toSatisfy(Number.isInteger) })

  it('that refuses connections', async () => {
    const { port, close } = await startRawServer(() => {})
    await close()
    const result = await openHttpOut({ lookup: lookupOf(['127.0.0.3', '127.0.0.4']) }).post(requestTo(`http://gone.test:${port}/`))
    expect(result).toEqual({ ...failed('connection_refused'), message: `gone.test:${port} refused the connection.` })
  })

  it('that resets connections, once it has the request or before', async () => {
    const { url } = await openReceiver(() => 'reset')
    const { port } = await openRawServer((socket) => socket.resetAndDestroy())
    const httpOut = openHttpOut()
    expect(await httpOut.post(requestTo(url))).toMatchObject(failed('connection_reset'))
    expect(await httpOut.post(requestTo(`http://127.0.0.1:${port}/`))).toMatchObject(failed('connection_reset'))
  })

  it('that closes a connection which was kept alive is not sent the request again', async () => {
    const { url, requests } = await openReceiver((_request, n) => (n === 1 ? { status: 200 } : 'reset'))
    const httpOut = openHttpOut()
    await httpOut.post(requestTo(url))
    expect(await httpOut.post(requestTo(url))).toMatchObject(failed('connection_reset'))
    expect(requests).toHaveLength(2)
  })

  it('that never answers', async () => {
    const { url } = await openReceiver(() => 'hang')
    const late = await openHttpOut({ timeoutMs: 100 }).post(requestTo(url))
    expect(late).toMatchObject({ ...failed('timeout'), message: expect.stringContaining('100 ms') })
    expect(await openHttpOut({ headersTimeoutMs: 100 }).post(requestTo(url))).toMatchObject(failed('timeout'))
  })

  it('that never answers is not kept connected', async () => {
    const closed = Promise.withResolvers<void>()
    const { port } = await openRawServer((socket) => {
      socket.resume().once('close', () => closed.resolve())
    })
    await openHttpOut({ timeoutMs: 100, headersTimeoutMs: 600_000 }).post(requestTo(`http://127.0.0.1:${port}/`))
    await closed.promise
  })

  it('whose name is never resolved', async () => {
    const httpOut = openHttpOut({ connectTimeoutMs: 100, lookup: () => new Promise(() => {}) })
    expect(await httpOut.post(requestTo('http://silent.test/'))).toMatchObject(failed('dns_failed'))
  })

  it('that never finishes the TLS handshake', async () => {
    const { port } = await openRawServer(() => {})
    expect(await openHttpOut({ connectTimeoutMs: 100 }).post(requestTo(`https://127.0.0.1:${port}/`))).toMatchObject(
      failed('connect_timeout'),
    )
    expect(await openHttpOut({ timeoutMs: 100, connectTimeoutMs: 200 }).post(requestTo(`https://127.0.0.1:${port}/`))).toMatchObject(
      failed('connect_timeout'),
    )
  })

  it.each([
    ['no HTTP', '220 receiver.test ESMTP\r\n'],
    ['HTTP/0.9', 'hello\r\n'],
    ['headers without end', `HTTP/1.1 200 OK\r\n${'x-more: and more\r\n'.repeat(2000)}`],
    ['a header without end', `HTTP/1.1 200 OK\r\nx-more: ${'and more'.repeat(4000)}`],
    ['a switch of protocols', 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'],
    ['100 Continue', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['103 Early Hints', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
  ])('that answers with %s', async (_what, bytes) => {
    const { port } = await openRawServer(answering(bytes))
    expect(await openHttpOut().post(requestTo(`http://127.0.0.1:${port}/`))).toMatchObject(failed('invalid_answer'))
  })

  it('that drips its headers', async () => {
    const { port } = await openRawServer((socket) => {
      const timer = setInterval(() => socket.write('HTTP/1.1 200 OK\r\n'.charAt(socket.bytesWritten) || 'x'), 5)
      socket.once('close', () => clearInterval(timer))
    })
    expect(await openHttpOut({ timeoutMs: 200 }).post(requestTo(`http://127.0.0.1:${port}/`))).toMatchObject(failed('timeout'))
  })

  it('is not sent a header that breaks the request', async () => {
    const { url, requests } = await openReceiver()
    expect(await openHttpOut().post(requestTo(url, { 'x-own': 'a\r\nhost: b' }))).toMatchObject(failed('connection_failed'))
    expect(requests).toEqual([])
  })
})

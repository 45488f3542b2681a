import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { closeAll, lookupOf, openHttpOut, openRawServer, openReceiver, requestTo } from '../../testing/http-out.ts'
import type { HttpOut } from '../../webhook-ports.ts'

afterEach(async () => {
  vi.useRealTimers()
  await closeAll()
})

describe('a URL', () => {
  it.each([
    ['no URL', 'receiver'],
    ['another scheme', 'ftp://127.0.0.1/'],
    ['a user name', 'https://user@example.com/'],
    ['a password', 'https://:secret@example.com/'],
  ])('with %s is refused', async (_what, url) => {
    const httpOut = openHttpOut()
    const reason = await httpOut.checkUrl(url)
    expect(reason).toMatch(/^must /)
    expect(await httpOut.post(requestTo(url))).toEqual({
      outcome: 'failed',
      error: 'url_refused',
      message: `The URL ${reason}.`,
      durationMs: 0,
    })
  })

  it('of http is refused unless it is allowed', async () => {
    const { url, requests } = await openReceiver()
    const httpOut = openHttpOut({ allowHttp: false })
    expect(await httpOut.checkUrl(url)).toBe('must be an https URL')
    expect(await httpOut.post(requestTo(url))).toMatchObject({ error: 'url_refused' })
    expect(requests).toEqual([])
    expect(await openHttpOut().checkUrl(url)).toBeUndefined()
  })

  it.each([
    ...[
      '127.0.0.1',
      '0x7f.1',
      '2130706433',
      '0177.0.0.1',
      '127.1',
      '127.0.0.1.',
      '%31%32%37.0.0.1',
      '１２７.0.0.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
    ],
    ...[
      '[::ffff:7f00:1]',
      '[::127.0.0.1]',
      '[64:ff9b::7f00:1]',
      '0',
      '0.0.0.0',
      '[::]',
      '169.254.169.254',
      '10.0.0.1',
      'localhost',
      'localhost.',
    ],
    ...['LOCALHOST', 'a.localhost'],
  ])('with the address %s is refused before anything is connected', async (host) => {
    const server = await openRawServer(() => {})
    const httpOut = openHttpOut({ allowLoopback: false })
    const url = `http://${host}:${server.port}/`
    expect(await httpOut.checkUrl(url)).toBe('must not lead to a private or reserved address')
    expect(await httpOut.post(requestTo(url))).toMatchObject({ outcome: 'failed', error: 'address_refused' })
    expect(server.connections()).toBe(0)
  })

  it('with a name that has one private address among public ones is refused', async () => {
    const httpOut = openHttpOut({ allowLoopback: false, lookup: lookupOf(['93.184.216.34', '10.0.0.1']) })
    expect(await httpOut.checkUrl('https://example.com/')).toBe('must not lead to a private or reserved address')
    const result = await httpOut.post(requestTo('https://example.com/'))
    expect(result).toMatchObject({ error: 'address_refused', message: expect.not.stringContaining('10.0.0.1') })
  })

  it('with a name that does not resolve is accepted, and cannot be sent to', async () => {
    const httpOut = openHttpOut({ lookup: () => Promise.reject(new Error('ENOTFOUND')) })
    expect(await httpOut.checkUrl('https://example.com/')).toBeUndefined()
    expect(await httpOut.post(requestTo('https://example.com/'))).toMatchObject({ outcome: 'failed', error: 'dns_failed' })
  })

  it('with a public name is accepted', async () => {
    expect(
      await openHttpOut({ lookup: lookupOf(['93.184.216.34', '2606:4700::1111']) }).checkUrl('https://example.com:8443/'),
    ).toBeUndefined()
  })
})

describe('the address that is connected to', () => {
  it('is checked when it changes after the check of the URL', async () => {
    const { port, requests } = await openReceiver()
    const lookup = lookupOf(['93.184.216.34'], ['127.0.0.1'])
    const httpOut = openHttpOut({ allowLoopback: false, lookup })
    const url = `http://rebound.test:${port}/`
    expect(await httpOut.checkUrl(url)).toBeUndefined()
    expect(await httpOut.post(requestTo(url))).toMatchObject({
      error: 'address_refused',
      message: expect.not.stringContaining('127.0.0.1'),
    })
    expect(requests).toEqual([])
  })

  it('is the one that was checked: the name is looked up once', async () => {
    const { port, requests } = await openReceiver()
    const lookup = vi.fn(lookupOf(['127.0.0.1'], ['127.0.0.2'], ['10.0.0.1']))
    const httpOut = openHttpOut({ allowLoopback: false, allowedCidrs: ['127.0.0.1'], lookup })
    expect(await httpOut.post(requestTo(`http://alternating.test:${port}/`))).toMatchObject({ outcome: 'answered' })
    expect(requests).toHaveLength(1)
    expect(lookup).toHaveBeenCalledOnce()
  })

  it('is the next one when the first refuses', async () => {
    const { port, requests } = await openReceiver()
    const httpOut = openHttpOut({ lookup: lookupOf(['::1', '127.0.0.9', '127.0.0.1']) })
    expect(await httpOut.post(requestTo(`http://several.test:${port}/`))).toMatchObject({ outcome: 'answered' })
    expect(requests[0]?.headers.host).toBe(`several.test:${port}`)
  })

  it('is checked again for the next connection', async () => {
    const { port } = await openReceiver(() => ({ status: 204, headers: { connection: 'close' } }))
    const httpOut = openHttpOut({ allowLoopback: false, allowedCidrs: ['127.0.0.1'], lookup: lookupOf(['127.0.0.1'], ['127.0.0.2']) })
    const url = `http://alternating.test:${port}/`
    expect(await httpOut.post(requestTo(url))).toMatchObject({ outcome: 'answered' })
    expect(await httpOut.post(requestTo(url))).toMatchObject({ error: 'address_refused' })
  })

  it('is never the metadata address, whatever is opened', async () => {
    const httpOut = openHttpOut({ allowedCidrs: ['0.0.0.0/0', '::/0', '169.254.169.254'], lookup: lookupOf(['169.254.169.254']) })
    for (const host of ['169.254.169.254', '[::ffff:169.254.169.254]', '2852039166', 'metadata.test']) {
      expect(await httpOut.checkUrl(`http://${host}/`), host).toBeDefined()
      expect(await httpOut.post(requestTo(`http://${host}/`)), host).toMatchObject({ error: 'address_refused' })
    }
  })
})

describe('connections', () => {
  const answer = (body = '') => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`

  /** A connection is free again a turn after its answer. */
  async function postInTurn(httpOut: HttpOut, port: number): Promise<void> {
    expect(await httpOut.post(requestTo(`http://127.0.0.1:${port}/`))).toMatchObject({ outcome: 'answered' })
    await nextTurn()
    await nextTurn()
  }

  it.each([
    ['an answer', answer()],
    ['one that is somewhat longer than what is kept of it', answer('x'.repeat(30_000))],
  ])('are used again after %s', async (_what, bytes) => {
    const { port, connections } = await openRawServer((socket) => socket.on('data', () => socket.write(bytes)))
    const httpOut = openHttpOut()
    for (let n = 0; n < 5; n++) await postInTurn(httpOut, port)
    expect(connections()).toBe(1)
  })

  it('end at some age, to follow their name elsewhere', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const { port, connections } = await openRawServer((socket) => socket.on('data', () => socket.write(answer())))
    const httpOut = openHttpOut()
    await postInTurn(httpOut, port)
    vi.setSystemTime(Date.now() + 59_000)
    await postInTurn(httpOut, port)
    expect(connections()).toBe(1)
    vi.setSystemTime(Date.now() + 2000)
    await postInTurn(httpOut, port)
    expect(connections()).toBe(2)
  })

  it('do not wait for those of a receiver that hangs, on the same host', async () => {
    const { url, waitFor } = await openReceiver(({ path }) => (path === '/hang' ? 'hang' : { status: 204 }))
    const httpOut = openHttpOut()
    const hanging = Array.from({ length: 200 }, () => httpOut.post(requestTo(`${url}/hang`)))
    await waitFor(200)
    expect(await httpOut.post(requestTo(url))).toMatchObject({ outcome: 'answered', statusCode: 204 })
    await httpOut.close()
    await Promise.all(hanging)
  })
})

describe('at its end', () => {
  it('ends what hangs, at any stage, and sends no more', async () => {
    const { url, waitFor } = await openReceiver(() => 'hang')
    const silent = await openRawServer(() => {})
    const httpOut = openHttpOut({ lookup: () => new Promise(() => {}) })
    const hanging = [url, `https://127.0.0.1:${silent.port}/`, 'http://silent.test/'].map((to) => httpOut.post(requestTo(to)))
    await waitFor(1)
    await httpOut.close()
    const stopped = { outcome: 'failed', error: 'connection_failed', message: 'The server is stopping.' }
    expect(await Promise.all(hanging)).toMatchObject([stopped, stopped, stopped])
    expect(await httpOut.post(requestTo(url))).toMatchObject(stopped)
  })

  it('closes connections that are still being made', async () => {
    const [opened, closed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const { port } = await openRawServer((socket) => {
      socket.once('data', () => opened.resolve()).once('close', () => closed.resolve())
    })
    const httpOut = openHttpOut()
    const hanging = httpOut.post(requestTo(`https://127.0.0.1:${port}/`))
    await opened.promise
    await httpOut.close()
    await Promise.all([hanging, closed.promise])
  })

  it('says how long a post takes at most', () => {
    expect(openHttpOut({ timeoutMs: 1234 }).longestMs).toBe(1234)
  })
})

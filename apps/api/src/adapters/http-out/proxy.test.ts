import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { startConnectProxy } from '../../testing/connect-proxy.ts'
import { closeAll, closeLater, lookupOf, openHttpOut, openRawServer, openReceiver, requestTo } from '../../testing/http-out.ts'
import { answering, startRawServer } from '../../testing/raw-server.ts'
import { hasOpenssl, makeCertificate } from '../../testing/tls-certificate.ts'

afterEach(closeAll)

async function openProxy(options: Parameters<typeof startConnectProxy>[0]) {
  return closeLater(await startConnectProxy(options))
}

async function portOfNobody(): Promise<number> {
  const { port, close } = await startRawServer(() => {})
  await close()
  return port
}

describe('through a proxy, a post', () => {
  it('goes to the checked address, with the host as it was', async () => {
    const { port, requests } = await openReceiver()
    const proxy = await openProxy({ to: port })
    const lookup = lookupOf(['127.0.0.2'], ['127.0.0.3'])
    const httpOut = openHttpOut({ proxyUrl: proxy.url, allowLoopback: false, allowedCidrs: ['127.0.0.2'], lookup })
    expect(await httpOut.post(requestTo('http://receiver.test/a'))).toMatchObject({ outcome: 'answered', statusCode: 204 })
    expect(proxy.asked).toMatchObject([{ authority: '127.0.0.2:80', headers: { host: '127.0.0.2:80' } }])
    expect(requests).toMatchObject([{ path: '/a', headers: { host: 'receiver.test' } }])
  })

  it('is refused before the proxy is asked', async () => {
    const proxy = await openProxy({ to: 1 })
    const httpOut = openHttpOut({ proxyUrl: proxy.url, allowLoopback: false, lookup: lookupOf(['93.184.216.34'], ['127.0.0.1']) })
    expect(await httpOut.checkUrl('https://receiver.test/')).toBeUndefined()
    expect(await httpOut.post(requestTo('https://receiver.test/'))).toMatchObject({ error: 'address_refused' })
    expect(await httpOut.post(requestTo('https://127.0.0.1/'))).toMatchObject({ error: 'address_refused' })
    expect(proxy.asked).toEqual([])
  })

  it('uses its tunnel again', async () => {
    const { url, port, requests } = await openReceiver()
    const proxy = await openProxy({ to: port })
    const httpOut = openHttpOut({ proxyUrl: proxy.url })
    for (let n = 0; n < 3; n++) {
      await httpOut.post(requestTo(url))
      await nextTurn()
      await nextTurn()
    }
    expect([requests.length, proxy.asked.length]).toEqual([3, 1])
  })

  it('gives the proxy, and nobody else, the user and password', async () => {
    const { url, port, requests } = await openReceiver()
    const proxy = await openProxy({ to: port })
    const httpOut = openHttpOut({ proxyUrl: proxy.url.replace('//', '//me:p%40ss@') })
    await httpOut.post(requestTo(url))
    expect(proxy.asked[0]?.headers['proxy-authorization']).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`)
    expect(requests[0]?.headers).not.toHaveProperty('proxy-authorization')
  })

  it('goes to the next address, IPv4 first, when the proxy cannot reach one', async () => {
    const { port } = await openReceiver()
    const proxy = await openProxy({ to: port, answer: (authority) => (authority.startsWith('[') ? 200 : 502) })
    const httpOut = openHttpOut({ proxyUrl: proxy.url, lookup: lookupOf(['::1', '127.0.0.1']) })
    expect(await httpOut.post(requestTo('http://receiver.test:8080/'))).toMatchObject({ outcome: 'answered' })
    expect(proxy.asked.map(({ authority }) => authority)).toEqual(['127.0.0.1:8080', '[::1]:8080'])
  })

  it.each([403, 407, 502])('fails when the proxy answers %i', async (status) => {
    const proxy = await openProxy({ to: 1, answer: () => status })
    const httpOut = openHttpOut({ proxyUrl: proxy.url.replace('//', '//me:secret@'), lookup: lookupOf(['127.0.0.5', '127.0.0.6']) })
    expect(await httpOut.post(requestTo('https://receiver.test/'))).toMatchObject({
      ...{ outcome: 'failed', error: 'proxy_failed' },
      message: `The proxy that deliveries go through answered ${status} for receiver.test.`,
    })
    expect(proxy.asked).toHaveLength(status === 407 ? 1 : 2)
  })

  it.each([
    ['is not there', portOfNobody],
    ['resets the connection', async () => (await openRawServer((socket) => socket.resetAndDestroy())).port],
    ['does not speak HTTP', async () => (await openRawServer(answering('220 proxy ESMTP\r\n'))).port],
  ])('fails when the proxy %s', async (_what, portOf) => {
    const httpOut = openHttpOut({ proxyUrl: `http://127.0.0.1:${await portOf()}` })
    expect(await httpOut.post(requestTo('https://127.0.0.1/'))).toMatchObject({
      ...{ outcome: 'failed', error: 'proxy_failed' },
      message: 'The proxy that deliveries go through could not be reached, or closed the connection.',
    })
  })

  it('blames the proxy when it is not reached in time, and the target when it is', async () => {
    const silent = await openRawServer(() => {})
    const unreached = openHttpOut({ proxyUrl: `https://127.0.0.1:${silent.port}`, connectTimeoutMs: 100 })
    expect(await unreached.post(requestTo('https://127.0.0.1/'))).toMatchObject({ error: 'proxy_failed' })
    const proxy = await openProxy({ to: 1, answer: () => 'hang' })
    const reached = openHttpOut({ proxyUrl: proxy.url, connectTimeoutMs: 100 })
    expect(await reached.post(requestTo('https://127.0.0.1/'))).toMatchObject({ error: 'connect_timeout' })
  })

  it('ends at once with the way out', async () => {
    const asked = Promise.withResolvers<void>()
    const proxy = await openProxy({
      to: 1,
      answer: () => {
        asked.resolve()
        return 'hang'
      },
    })
    const httpOut = openHttpOut({ proxyUrl: proxy.url })
    const hanging = httpOut.post(requestTo('https://127.0.0.1/'))
    await asked.promise
    await httpOut.close()
    expect(await hanging).toMatchObject({ error: 'connection_failed' })
  })
})

describe.skipIf(!hasOpenssl)('through a proxy, TLS', () => {
  it.each(['http', 'https'])('is with the receiver, by its name, over %s', async (scheme) => {
    const certificate = makeCertificate(['DNS:receiver.test', 'IP:127.0.0.1'])
    const { port, requests } = await openReceiver(undefined, certificate)
    const proxy = await openProxy({ to: port, tls: scheme === 'https' ? certificate : undefined })
    const httpOut = openHttpOut({ proxyUrl: proxy.url, ca: certificate.cert, lookup: lookupOf(['127.0.0.2']) })
    expect(await httpOut.post(requestTo('https://receiver.test/'))).toMatchObject({ outcome: 'answered', statusCode: 204 })
    expect(proxy.asked).toMatchObject([{ authority: '127.0.0.2:443' }])
    expect(requests).toMatchObject([{ headers: { host: 'receiver.test' } }])
    expect(await httpOut.post(requestTo('https://other.test/'))).toMatchObject({ error: 'tls_failed' })
    // Else this never ends: the tunnel that failed is closed, too.
    await httpOut.close()
    await proxy.unused()
  })

  it('is refused with a proxy of https that nobody known vouches for', async () => {
    const proxy = await openProxy({ to: 1, tls: makeCertificate() })
    expect(await openHttpOut({ proxyUrl: proxy.url }).post(requestTo('https://127.0.0.1/'))).toMatchObject({ error: 'proxy_failed' })
    expect(proxy.asked).toEqual([])
  })
})

import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { closeAll, closeLater, lookupOf, openHttpOut, openRawServer, openReceiver, requestTo } from '../../testing/http-out.ts'
import { answering } from '../../testing/raw-server.ts'
import { hasOpenssl, makeCertificate } from '../../testing/tls-certificate.ts'

afterEach(async () => {
  vi.unstubAllEnvs()
  await closeAll()
})

const lookup = lookupOf(['127.0.0.1'])

async function openTlsServer(options: TlsOptions): Promise<{ port: number; connected: TLSSocket[] }> {
  const connected: TLSSocket[] = []
  const server: Server = createServer(options, (socket) => {
    connected.push(socket)
    socket.on('error', () => {}).on('data', () => socket.end('HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n'))
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closeLater({
    close: async () => {
      for (const socket of connected) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The server has no port.')
  return { port: address.port, connected }
}

describe.skipIf(!hasOpenssl)('TLS', () => {
  it.each(['receiver.test', 'receiver.test.'])('asks %s for the certificate of that name, and offers HTTP/1.1 alone', async (host) => {
    const certificate = makeCertificate(['DNS:receiver.test'])
    const { port, connected } = await openTlsServer({ ...certificate, ALPNProtocols: ['h2', 'http/1.1'] })
    const httpOut = openHttpOut({ lookup, ca: certificate.cert })
    expect(await httpOut.post(requestTo(`https://${host}:${port}/`, { host: 'other.test' }))).toMatchObject({ statusCode: 204 })
    expect(connected).toMatchObject([{ servername: 'receiver.test', alpnProtocol: 'http/1.1' }])
  })

  it('takes an address for what the certificate is to name', async () => {
    const certificate = makeCertificate(['IP:127.0.0.1'])
    const { port, connected } = await openTlsServer(certificate)
    expect(await openHttpOut({ ca: certificate.cert }).post(requestTo(`https://127.0.0.1:${port}/`))).toMatchObject({ statusCode: 204 })
    expect(connected).toMatchObject([{ servername: false }])
  })

  it('refuses a certificate of nobody known, whatever the environment says', async () => {
    const { url, requests } = await openReceiver(undefined, makeCertificate())
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    expect(await openHttpOut().post(requestTo(url))).toMatchObject({
      ...{ outcome: 'failed', error: 'tls_failed' },
      message: `TLS with ${url.slice('https://'.length)} failed: its certificate is self-signed.`,
    })
    expect(requests).toEqual([])
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('refuses a certificate for another name, again and again, by %s', async (maxVersion) => {
    const certificate = makeCertificate(['DNS:secret-name.test'])
    const { port } = await openTlsServer({ ...certificate, maxVersion })
    const httpOut = openHttpOut({ lookup, ca: certificate.cert })
    for (let n = 0; n < 3; n++) {
      const result = await httpOut.post(requestTo(`https://receiver.test:${port}/`))
      expect(result).toMatchObject({ error: 'tls_failed', message: expect.stringContaining('its certificate is for other names') })
      expect(result).toMatchObject({ message: expect.not.stringContaining('secret-name') })
    }
  })

  it('fails with a receiver that wants a certificate of ours', async () => {
    const certificate = makeCertificate(['DNS:receiver.test'])
    const { port } = await openTlsServer({ ...certificate, requestCert: true, rejectUnauthorized: true })
    const result = await openHttpOut({ lookup, ca: certificate.cert }).post(requestTo(`https://receiver.test:${port}/`))
    expect(result).toMatchObject({ outcome: 'failed', error: expect.stringMatching(/^(tls_failed|connection_reset)$/) })
  })

  it('does not begin without a checked address', async () => {
    const { port, connected } = await openTlsServer(makeCertificate())
    const httpOut = openHttpOut({ allowLoopback: false, lookup })
    expect(await httpOut.post(requestTo(`https://receiver.test:${port}/`))).toMatchObject({ error: 'address_refused' })
    expect(connected).toEqual([])
  })
})

it('fails with a receiver that does not speak it', async () => {
  const { port } = await openRawServer(answering('HTTP/1.1 400 Bad Request\r\n\r\n'))
  expect(await openHttpOut().post(requestTo(`https://127.0.0.1:${port}/`))).toMatchObject({ outcome: 'failed', error: 'tls_failed' })
})

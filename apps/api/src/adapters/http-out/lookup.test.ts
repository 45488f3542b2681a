import { createSocket } from 'node:dgram'
import type { LookupAddress } from 'node:dns'
import { isIPv4 } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createAddressGuard } from './address-guard.ts'
import { createNameServerLookup, createResolve, type Lookup, systemLookup } from './lookup.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const A = 1
const AAAA = 28
const NO_SUCH_NAME = 3

/**
 * A name server on this machine.
 * @param records of each name the addresses; a name that is not there does not exist; `'silent'` is never answered
 */
async function startNameServer(records: Record<string, readonly string[] | 'silent'>): Promise<string> {
  const server = createSocket('udp4')
  closing.push(() => server.close())
  server.on('message', (query, peer) => {
    const labels: string[] = []
    let at = 12
    for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length))
      at += length + 1
    }
    const type = query.readUInt16BE(at + 1)
    const known = records[labels.join('.').toLowerCase()]
    if (known === 'silent') return
    const found = (known ?? []).filter((address) => isIPv4(address) === (type === A) && (type === A || type === AAAA))
    const header = Buffer.from(query.subarray(0, 12))
    header.writeUInt16BE(0x8180 | (known === undefined ? NO_SUCH_NAME : 0), 2)
    header.writeUInt16BE(found.length, 6)
    header.writeUInt32BE(0, 8)
    const answers = found.map((address) => {
      const data = isIPv4(address) ? Buffer.from(address.split('.').map(Number)) : ipv6Bytes(address)
      const record = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length])
      return Buffer.concat([record, data])
    })
    server.send(Buffer.concat([header, query.subarray(12, at + 5), ...answers]), peer.port, peer.address)
  })
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve))
  return `127.0.0.1:${server.address().port}`
}

/** Of an address that is written in full. */
function ipv6Bytes(address: string): Buffer {
  return Buffer.from(address.split(':').flatMap((part) => [Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 0xff]))
}

describe('a lookup at name servers', () => {
  it('gives every address of both kinds', async () => {
    const server = await startNameServer({ 'both.test': ['203.0.113.5', '203.0.113.6', '2001:db8:0:0:0:0:0:7'] })
    expect(await createNameServerLookup([server])('both.test')).toEqual([
      { address: '2001:db8::7', family: 6 },
      { address: '203.0.113.5', family: 4 },
      { address: '203.0.113.6', family: 4 },
    ])
  })

  it('is content with one kind', async () => {
    const server = await startNameServer({ 'four.test': ['203.0.113.5'], 'six.test': ['2001:db8:0:0:0:0:0:7'] })
    const lookup = createNameServerLookup([server])
    expect(await lookup('four.test')).toEqual([{ address: '203.0.113.5', family: 4 }])
    expect(await lookup('six.test')).toEqual([{ address: '2001:db8::7', family: 6 }])
  })

  it('rejects for a name that does not exist', async () => {
    const server = await startNameServer({})
    await expect(createNameServerLookup([server])('none.test')).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })

  it('keeps nobody waiting for a name server that never answers', async () => {
    const server = await startNameServer({
      'live.test': ['203.0.113.5'],
      ...Object.fromEntries(range(16).map((n) => [`dead-${n}.test`, 'silent'])),
    })
    const lookup = createNameServerLookup([server])
    const dead = range(16).map((n) => lookup(`dead-${n}.test`))
    // Those end by themselves, a few seconds on.
    void Promise.allSettled(dead)
    expect(await Promise.race([...dead, lookup('live.test')])).toEqual([{ address: '203.0.113.5', family: 4 }])
  })

  it.each(['localhost', 'localhost.', 'a.b.localhost'])('knows %s without asking', async (name) => {
    const server = await startNameServer({ localhost: ['203.0.113.5'] })
    expect(await createNameServerLookup([server])(name)).toEqual([{ address: '127.0.0.1', family: 4 }])
  })
})

it('knows localhost as the system does', async () => {
  expect((await systemLookup('localhost')).every(({ address }) => address === '127.0.0.1' || address === '::1')).toBe(true)
})

describe('the addresses of a host', () => {
  const guard = createAddressGuard({ allowedCidrs: [], allowLoopback: false })
  const resolveBy = (lookup: Lookup, timeoutMs = 10_000) => createResolve({ guard, lookup, timeoutMs })
  const found = (...addresses: string[]): LookupAddress[] => addresses.map((address) => ({ address, family: isIPv4(address) ? 4 : 6 }))

  it('are those of the lookup when all of them are public', async () => {
    const addresses = found('93.184.216.34', '2606:4700::1111')
    expect(await resolveBy(async () => addresses)('example.com')).toEqual(addresses)
  })

  it.each([
    ['private', found('10.0.0.1')],
    ['mixed, the public one first', found('93.184.216.34', '10.0.0.1')],
    ['mixed, the public one last', found('::1', '2606:4700::1111')],
    ['not written as an address', found('0x7f.1')],
  ])('are refused when they are %s, and not named', async (_what, addresses) => {
    const refusal = await resolveBy(async () => addresses)('example.com').catch((error: unknown) => error)
    expect(refusal).toMatchObject({ error: 'address_refused', message: expect.stringContaining('example.com') })
    for (const { address } of addresses) expect(String(refusal)).not.toContain(address)
  })

  it('are not looked up for an address', async () => {
    const resolve = resolveBy(() => Promise.reject(new Error('was asked')))
    expect(await resolve('93.184.216.34')).toEqual(found('93.184.216.34'))
    await expect(resolve('::1')).rejects.toMatchObject({ error: 'address_refused' })
  })

  it('are none when the name has none', async () => {
    await expect(resolveBy(async () => [])('example.com')).rejects.toMatchObject({ error: 'dns_failed' })
    await expect(resolveBy(() => Promise.reject(new Error('ENOTFOUND')))('example.com')).rejects.toMatchObject({ error: 'dns_failed' })
  })

  it('are none when the lookup takes too long, and are looked up once for all who wait', async () => {
    const lookups = [Promise.withResolvers<LookupAddress[]>(), Promise.withResolvers<LookupAddress[]>()]
    let count = 0
    const resolve = resolveBy(() => lookups[count++]?.promise ?? Promise.reject(new Error('asked too often')), 20)
    const both = await Promise.allSettled([resolve('example.com'), resolve('example.com')])
    expect(both).toMatchObject([{ reason: { error: 'dns_failed' } }, { reason: { error: 'dns_failed' } }])
    expect(count).toBe(1)
    lookups[0]?.resolve([])
    await expect(resolve('example.com')).rejects.toMatchObject({ error: 'dns_failed' })
    lookups[1]?.resolve(found('93.184.216.34'))
    expect(await resolve('example.com')).toEqual(found('93.184.216.34'))
    expect(count).toBe(2)
  })
})

function range(length: number): number[] {
  return Array.from({ length }, (_, n) => n)
}

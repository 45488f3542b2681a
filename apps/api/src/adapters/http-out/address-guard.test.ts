import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { describe, expect, it } from 'vitest'
import { createAddressGuard } from './address-guard.ts'

const closed = createAddressGuard({ allowedCidrs: [], allowLoopback: false })

function opening(...allowedCidrs: string[]) {
  return createAddressGuard({ allowedCidrs, allowLoopback: false })
}

/** The first and the last address of each range that is refused, and of what stands around them. */
const REFUSED = [
  ['this network', '0.0.0.0', '0.255.255.255'],
  ['private, 10', '10.0.0.0', '10.255.255.255'],
  ['shared by carriers', '100.64.0.0', '100.127.255.255'],
  ['loopback', '127.0.0.0', '127.255.255.255'],
  ['link-local', '169.254.0.0', '169.254.255.255'],
  ['private, 172.16', '172.16.0.0', '172.31.255.255'],
  ['protocol assignments', '192.0.0.0', '192.0.0.255'],
  ['documentation 1', '192.0.2.0', '192.0.2.255'],
  ['6to4 relays', '192.88.99.0', '192.88.99.255'],
  ['private, 192.168', '192.168.0.0', '192.168.255.255'],
  ['benchmarks', '198.18.0.0', '198.19.255.255'],
  ['documentation 2', '198.51.100.0', '198.51.100.255'],
  ['documentation 3', '203.0.113.0', '203.0.113.255'],
  ['multicast', '224.0.0.0', '239.255.255.255'],
  ['reserved and broadcast', '240.0.0.0', '255.255.255.255'],
  ['unspecified and IPv6 loopback', '::', '::1'],
  ['IPv4-compatible', '::2', '::ffff:ffff'],
  ['IPv4-translated', '::ffff:0:0:0', '::ffff:0:808:808'],
  ['NAT64', '64:ff9b::', '64:ff9b::ffff:ffff'],
  ['NAT64 of local use', '64:ff9b:1::', '64:ff9b:1:ffff:ffff:ffff:ffff:ffff'],
  ['discard', '100::', '100::ffff:ffff:ffff:ffff'],
  ['Teredo', '2001::', '2001:0:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['IPv6 benchmarks and ORCHID', '2001:2::', '2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['IPv6 documentation', '2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['6to4', '2002::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['IPv6 documentation 2', '3fff::', '3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['not given out', '4000::', '5fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['unique local', 'fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['IPv6 link-local', 'fe80::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['site-local', 'fec0::', 'feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['IPv6 multicast', 'ff00::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
] as const

const PUBLIC = [
  ...[
    '1.0.0.0',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '169.253.255.255',
    '169.255.0.0',
  ],
  ...['172.15.255.255', '172.32.0.0', '191.255.255.255', '192.0.1.0', '192.0.3.0', '192.167.255.255', '192.169.0.0', '198.17.255.255'],
  ...[
    '198.20.0.0',
    '203.0.112.255',
    '203.0.114.0',
    '223.255.255.255',
    '2001:200::',
    '2001:db7::1',
    '2001:db9::1',
    '2003::1',
    '2606:4700::1111',
  ],
  ...['2a00:1450:4001:81b::200e', '3ffe:ffff::1', '3fff:1000::1'],
]

const METADATA = [
  ...[
    '169.254.169.254',
    '169.254.170.2',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    'fd00:ec2::254',
    'fd00:ec2::23',
    'fd20:ce::254',
  ],
  ...['fd00:42::42', 'fe80::a9fe:a9fe', '::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '::ffff:100.100.100.200', '64:ff9b::a9fe:a9fe'],
  ...['64:ff9b::169.254.169.254', '64:ff9b:1::a9fe:a9fe', '2002:a9fe:a9fe::1', '::a9fe:a9fe', '::169.254.169.254', '::ffff:0:a9fe:a9fe'],
  '2001:0:a9fe:a9fe::1',
]

const EVERYTHING = [
  '0.0.0.0/0',
  '::/0',
  '::ffff:0:0/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2002::/16',
  '2001::/32',
  'fe80::/10',
  '169.254.0.0/16',
]

describe('without anything opened', () => {
  it.each(REFUSED)('refuses %s', (_what, first, last) => {
    expect([closed.allows(first), closed.allows(last)]).toEqual([false, false])
  })

  it.each(PUBLIC)('allows the public %s', (address) => {
    expect(closed.allows(address)).toBe(true)
  })

  it('judges an IPv4-mapped address by the IPv4 address inside', () => {
    for (const [, first] of REFUSED.filter(([, text]) => text.includes('.'))) expect(closed.allows(`::ffff:${first}`), first).toBe(false)
    expect(closed.allows('::ffff:7f00:1')).toBe(false)
    expect(closed.allows('0:0:0:0:0:FFFF:10.0.0.1')).toBe(false)
    expect(closed.allows('::ffff:8.8.8.8')).toBe(true)
  })

  it('refuses what is no address, or has a zone', () => {
    for (const text of ['', 'example.com', '127.1', '0x7f.0.0.1', '8.8.8.8/32', '[2606:4700::1111]', '2606:4700::1111%eth0']) {
      expect(closed.allows(text), text).toBe(false)
    }
  })

  it('refuses every address that is not unicast by ipaddr.js', () => {
    const heads = Object.values({ ...specialRangesOf('0.0.0.0'), ...specialRangesOf('::') }).flat()
    const special = fc
      .tuple(fc.constantFrom(...heads), fc.uint8Array({ minLength: 16, maxLength: 16 }))
      .map(([[network, prefix], random]) => {
        const bytes = network.toByteArray().map((byte, index) => {
          const kept = (0xff00 >> Math.min(Math.max(prefix - index * 8, 0), 8)) & 0xff
          return (byte & kept) | ((random[index] ?? 0) & ~kept & 0xff)
        })
        return ipaddr.fromByteArray(bytes)
      })
    const any = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
    const address = fc.oneof(
      special,
      any.map((bytes) => ipaddr.fromByteArray([...bytes])),
    )
    fc.assert(
      fc.property(address, (parsed) => {
        const inside = ipaddr.process(parsed.toString())
        if (inside.range() !== 'unicast') expect(closed.allows(parsed.toString())).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('with ranges opened', () => {
  it('allows them, and nothing beside them', () => {
    const guard = opening('10.1.0.0/16', '192.168.7.7', 'fd12:3456::/32', '::ffff:172.16.0.0/108')
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '192.168.7.7', 'fd12:3456::1', '172.16.9.9'])
      expect(guard.allows(address), address).toBe(true)
    for (const address of ['10.2.0.1', '192.168.7.8', 'fd12:3457::1', '127.0.0.1', '::1'])
      expect(guard.allows(address), address).toBe(false)
    expect(guard.allows('8.8.8.8')).toBe(true)
  })

  it('does not take an IPv6 range for IPv4 addresses', () => {
    const guard = opening('::/0')
    expect([guard.allows('10.0.0.1'), guard.allows('::ffff:10.0.0.1'), guard.allows('fd12::1')]).toEqual([false, false, true])
  })

  it.each(METADATA)('never allows the metadata address %s', (address) => {
    expect(opening(address.includes(':') ? `${address}/128` : address, ...EVERYTHING).allows(address)).toBe(false)
  })

  it('opens behind NAT64 only what is open without it', () => {
    const guard = opening('64:ff9b::/96', '10.1.0.0/16')
    expect([guard.allows('64:ff9b::808:808'), guard.allows('64:ff9b::a01:1'), guard.allows('64:ff9b::a02:1')]).toEqual([true, true, false])
  })

  it('opens loopback by itself', () => {
    const guard = createAddressGuard({ allowedCidrs: [], allowLoopback: true })
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) expect(guard.allows(address), address).toBe(true)
    for (const address of ['10.0.0.1', '0.0.0.0', '::', '::2']) expect(guard.allows(address), address).toBe(false)
  })

  it.each(['10.0.0.0/33', '::/129', 'example.com', '10.0.0/8', '10.0.0.0/08', '', 'fe80::1%eth0'])('refuses %j as a range', (text) => {
    expect(() => opening(text)).toThrow('is not an address or a CIDR range')
  })
})

/** The types of ipaddr.js do not have its table. */
function specialRangesOf(text: string): Record<string, [ipaddr.IPv4 | ipaddr.IPv6, number][]> {
  const ranges: unknown = Reflect.get(ipaddr.parse(text), 'SpecialRanges')
  if (typeof ranges !== 'object' || ranges === null) throw new Error('ipaddr.js has no table of special ranges.')
  return Object.fromEntries(
    Object.entries(ranges).map(([name, entries]) => [`${text} ${name}`, Array.isArray(entries[0]) ? entries : [entries]]),
  )
}

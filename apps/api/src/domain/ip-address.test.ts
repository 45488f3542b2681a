import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalRange, clientAddress, isWithin, matcherOf, networkOf, parseRange, trustedProxies } from './ip-address.ts'

/** An address as a number, so that the tests judge by arithmetic of their own. */
interface Numbered {
  bits: 32 | 128
  value: bigint
}

const MAPPED = 0xffffn << 32n
const isMapped = ({ bits, value }: Numbered): boolean => bits === 128 && value >> 32n === 0xffffn

function textOf({ bits, value }: Numbered): string {
  const parts = Array.from({ length: bits === 32 ? 4 : 8 }, (_, index, size = bits === 32 ? 8n : 16n) =>
    ((value >> (BigInt(bits) - size * BigInt(index + 1))) & ((1n << size) - 1n)).toString(bits === 32 ? 10 : 16),
  )
  return parts.join(bits === 32 ? '.' : ':')
}

const firstBits = ({ bits, value }: Numbered, prefix: number): bigint => value >> BigInt(bits - prefix)

const v4 = fc.bigInt(0n, 2n ** 32n - 1n).map((value): Numbered => ({ bits: 32, value }))
const v6 = fc
  .oneof(
    fc.bigInt(0n, 2n ** 128n - 1n),
    fc.bigInt(0n, 2n ** 64n - 1n).map((low) => (0x20010db8n << 96n) + low),
  )
  .map((value): Numbered => ({ bits: 128, value }))
  .filter((address) => !isMapped(address))
const anyAddress = fc.oneof(v4, v6)
const range = anyAddress.chain((address) => fc.record({ address: fc.constant(address), prefix: fc.integer({ min: 0, max: address.bits }) }))
/** Near to the range, so that both answers come up: the same first bits, and at most one of them turned. */
const rangeAndAddress = range.chain(({ address, prefix }) =>
  fc.record({
    range: fc.constant({ address, prefix }),
    other: fc.oneof(
      {
        weight: 4,
        arbitrary: fc.nat(address.bits - 1).map((bit): Numbered => ({ ...address, value: address.value ^ (1n << BigInt(bit)) })),
      },
      { weight: 1, arbitrary: anyAddress },
    ),
  }),
)

describe('an IP range', () => {
  it.each([
    ['10.1.2.3', '10.1.2.3'],
    ['10.1.2.3/32', '10.1.2.3'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.255/25', '10.1.2.128/25'],
    ['1.2.3.4/0', '0.0.0.0/0'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8::1/128', '2001:db8::1'],
    ['2001:db8:1:2:3::/48', '2001:db8:1::/48'],
    ['::/0', '::/0'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['::FFFF:0a01:0203', '10.1.2.3'],
    ['0:0:0:0:0:ffff:10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3/104', '10.0.0.0/8'],
    ['::ffff:0:0/96', '0.0.0.0/0'],
    ['64:ff9b::10.1.2.3', '64:ff9b::a01:203'],
    ['::ffff:0:10.1.2.3', '::ffff:0:a01:203'],
  ])('%s is %s', (text, canonical) => {
    expect(canonicalRange(text)).toBe(canonical)
    expect(parseRange(text)).toBeDefined()
  })

  it.each([
    '',
    ' 10.0.0.1',
    '10.0.0.1 ',
    '127.1',
    '2130706433',
    '0x7f.0.0.1',
    '010.0.0.1',
    '10.0.0.01',
    '10.0.0.256',
    '10.0.0',
    '1.2.3.4.5',
    '10.0.0.1:80',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/+8',
    '10.0.0.0/-1',
    '10.0.0.0/8.0',
    '10.0.0.0/8 ',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
    '/8',
    'fe80::1%eth0',
    'fe80::1%eth0/64',
    '::ffff:1.2.3.4%1',
    '2001:db8::/129',
    '2001:db8:::1',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    '[::1]',
    '::1.2.3.4',
    '::ffff:01.2.3.4',
    '::ffff:1.2.3.4/95',
    '::ffff:0:0/80',
    '*',
    'localhost',
    '١.٢.٣.٤',
  ])('is not %j', (text) => {
    expect(parseRange(text)).toBeUndefined()
    expect(canonicalRange(text)).toBeUndefined()
    expect(matcherOf([text])('10.0.0.1')).toBe(false)
    expect(isWithin(text, '0.0.0.0/0') || isWithin('10.0.0.0/8', text)).toBe(false)
  })

  it('has one canonical text, which is the same range', () => {
    fc.assert(
      fc.property(rangeAndAddress, ({ range: { address, prefix }, other }) => {
        const text = `${textOf(address)}/${prefix}`
        const canonical = canonicalRange(text) ?? ''
        expect(canonicalRange(canonical)).toBe(canonical)
        expect(isWithin(text, canonical) && isWithin(canonical, text)).toBe(true)
        const sameRange = { ...address, value: firstBits(address, prefix) << BigInt(address.bits - prefix) }
        expect(canonicalRange(`${textOf(sameRange)}/${prefix}`)).toBe(canonical)
        expect(matcherOf([canonical])(textOf(other))).toBe(matcherOf([text])(textOf(other)))
      }),
    )
  })

  it('reads an IPv6 address as browsers do, however it is written', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const canonical = canonicalRange(text)
        const fromUrl = new URL(`http://[${text}]/`).hostname.slice(1, -1)
        if (/^::[\d.]+$/.test(text) && text.includes('.')) expect(canonical, 'deprecated').toBeUndefined()
        else if (!fromUrl.startsWith('::ffff:') || canonical?.includes(':')) expect(canonical).toBe(fromUrl)
        else expect(canonicalRange(fromUrl)).toBe(canonical)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('an allowlist', () => {
  it('holds an address exactly when both begin with the same bits', () => {
    fc.assert(
      fc.property(rangeAndAddress, ({ range: { address, prefix }, other }) => {
        const expected = address.bits === other.bits && firstBits(address, prefix) === firstBits(other, prefix)
        expect(matcherOf([`${textOf(address)}/${prefix}`])(textOf(other))).toBe(expected)
      }),
      { numRuns: 1000 },
    )
  })

  it('compares mapped addresses and ranges as IPv4', () => {
    fc.assert(
      fc.property(v4, fc.integer({ min: 0, max: 32 }), v4, (address, prefix, other) => {
        const mapped = (one: Numbered): string => textOf({ bits: 128, value: MAPPED + one.value })
        const expected = matcherOf([`${textOf(address)}/${prefix}`])(textOf(other))
        expect(matcherOf([`${mapped(address)}/${prefix + 96}`])(textOf(other))).toBe(expected)
        expect(matcherOf([`${textOf(address)}/${prefix}`])(mapped(other))).toBe(expected)
        expect(matcherOf([`::ffff:${textOf(address)}/${prefix + 96}`])(`::ffff:${textOf(other)}`)).toBe(expected)
      }),
    )
  })

  it('holds no IPv4 address for an IPv6 range, however wide, and the other way round', () => {
    expect(matcherOf(['::/0'])('1.2.3.4')).toBe(false)
    expect(matcherOf(['::/0'])('::ffff:1.2.3.4')).toBe(false)
    expect(matcherOf(['::/0'])('2001:db8::1')).toBe(true)
    expect(matcherOf(['0.0.0.0/0'])('2001:db8::1')).toBe(false)
    expect(matcherOf(['0.0.0.0/0'])('::ffff:1.2.3.4')).toBe(true)
  })

  it('holds what any of its ranges does', () => {
    const isAllowed = matcherOf(['192.0.2.7', '10.0.0.0/8', '2001:db8::/32'])
    expect(['192.0.2.7', '10.255.0.1', '2001:db8::9'].map(isAllowed)).toEqual([true, true, true])
    expect(['192.0.2.8', '11.0.0.1', '2001:db9::'].map(isAllowed)).toEqual([false, false, false])
  })

  it.each(['', 'unknown', '127.1', '10.0.0.1 ', '10.0.0.1:80', 'fe80::1%eth0', '::10.0.0.1'])(
    'does not hold %j, which is no address',
    (text) => {
      expect(matcherOf(['0.0.0.0/0', '::/0'])(text)).toBe(false)
    },
  )

  it('allows everything when it is empty, while no proxies trust nobody', () => {
    expect(matcherOf([])('1.2.3.4')).toBe(true)
    expect(trustedProxies([])('1.2.3.4')).toBe(false)
    expect(trustedProxies(['1.2.3.0/24'])('1.2.3.4')).toBe(true)
    expect(trustedProxies(['1.2.3.0/24'])('1.2.4.4')).toBe(false)
  })
})

describe('containment of ranges', () => {
  it('says whether every address of one is in the other', () => {
    fc.assert(
      fc.property(rangeAndAddress, fc.nat(128), ({ range: { address, prefix }, other }, otherPrefix) => {
        const innerPrefix = Math.min(otherPrefix, other.bits)
        const rest = BigInt(other.bits - innerPrefix)
        const first = { ...other, value: firstBits(other, innerPrefix) << rest }
        const last = { ...other, value: first.value + (1n << rest) - 1n }
        // Mapped ones count as IPv4: a range of IPv6 around them, such as ::/80, does not hold them.
        for (const end of [first, last]) fc.pre(end.bits === 32 || end.value >> 32n !== 0xffffn)
        const outer = `${textOf(address)}/${prefix}`
        const isOuter = matcherOf([outer])
        expect(isWithin(`${textOf(other)}/${innerPrefix}`, outer)).toBe(isOuter(textOf(first)) && isOuter(textOf(last)))
      }),
      { numRuns: 1000 },
    )
  })

  it('goes by IPv4 for mapped ranges, and never across the kinds', () => {
    expect(isWithin('::ffff:10.1.0.0/112', '10.0.0.0/8')).toBe(true)
    expect(isWithin('10.1.2.3', '::ffff:10.0.0.0/104')).toBe(true)
    expect(isWithin('10.0.0.0/8', '10.0.0.0/9')).toBe(false)
    expect(isWithin('10.0.0.0/8', '::/0')).toBe(false)
    expect(isWithin('2001:db8::/32', '0.0.0.0/0')).toBe(false)
  })
})

describe('the client behind proxies', () => {
  const isTrusted = trustedProxies(['10.0.0.0/8', '2001:db8:ffff::/48'])

  it.each([
    ['the peer, without the header', '10.0.0.1', undefined, '10.0.0.1'],
    ['the peer, when it is not trusted', '192.0.2.1', '203.0.113.9', '192.0.2.1'],
    ['what a trusted peer says', '10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['the last that is not trusted', '10.0.0.1', '203.0.113.9, 198.51.100.2, 10.0.0.7,10.0.0.8', '198.51.100.2'],
    ['not what the client says of itself', '10.0.0.1', '10.0.0.5, 198.51.100.2', '198.51.100.2'],
    ['the leftmost, when all are trusted', '10.0.0.1', '10.0.0.5, 10.0.0.7', '10.0.0.5'],
    ['the peer, when the header is empty', '10.0.0.1', '', '10.0.0.1'],
    ['the last valid hop before an entry that is none', '10.0.0.1', '203.0.113.9, unknown, 10.0.0.7', '10.0.0.7'],
    ['the last valid hop before an empty entry', '10.0.0.1', '203.0.113.9,, 10.0.0.7', '10.0.0.7'],
    ['the peer, when the last entry is empty', '10.0.0.1', '203.0.113.9,', '10.0.0.1'],
    ['the last valid hop, when the header begins with a comma', '10.0.0.1', ',10.0.0.7', '10.0.0.7'],
    ['the peer, when the last entry has an octal form', '10.0.0.1', '203.0.113.010', '10.0.0.1'],
    ['the peer, when the last entry has a zone', '10.0.0.1', 'fe80::1%eth0', '10.0.0.1'],
    ['without a port', '10.0.0.1', '203.0.113.9:4711, 10.0.0.7:80', '203.0.113.9'],
    ['without brackets', '10.0.0.1', '[2001:db8::1], [2001:db8:ffff::2]:443', '2001:db8::1'],
    ['bare IPv6', '10.0.0.1', '2001:DB8:0::1', '2001:db8::1'],
    ['the peer, when brackets hold IPv4', '10.0.0.1', '[203.0.113.9]:80', '10.0.0.1'],
    ['the peer, when the port is none', '10.0.0.1', '203.0.113.9:http', '10.0.0.1'],
    ['IPv4, when it is mapped', '::ffff:10.0.0.1', '::ffff:203.0.113.9', '203.0.113.9'],
    ['IPv4, when it is mapped, in brackets', '::ffff:10.0.0.1', '[::ffff:203.0.113.9]:80', '203.0.113.9'],
    ['the mapped peer as IPv4', '::ffff:192.0.2.1', '203.0.113.9', '192.0.2.1'],
    ['the peer without its zone', 'fe80::1%eth0', '203.0.113.9', 'fe80::1'],
    ['the peer as it is, when it is no address', 'unknown', '203.0.113.9', 'unknown'],
  ])('is %s', (_, peer, header, expected) => {
    expect(clientAddress(peer, header, isTrusted)).toBe(expected)
  })

  it('is the same whatever a client puts into the header itself', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(fc.oneof(fc.ipV4(), fc.constant('10.0.0.9'))).map((hops) => hops.join(',')),
        ),
        (spoofed) => {
          expect(clientAddress('10.0.0.1', `${spoofed}, 203.0.113.9`, isTrusted)).toBe('203.0.113.9')
          expect(clientAddress('10.0.0.1', `${spoofed},203.0.113.9, 10.0.0.2`, isTrusted)).toBe('203.0.113.9')
          expect(clientAddress('203.0.113.9', spoofed, isTrusted)).toBe('203.0.113.9')
        },
      ),
    )
  })

  it('is the peer for every header when nobody is trusted', () => {
    fc.assert(fc.property(fc.string(), (header) => clientAddress('10.0.0.1', header, trustedProxies([])) === '10.0.0.1'))
  })
})

describe('the network of an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['::1', '::/64'],
    ['unknown', 'unknown'],
  ])('of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network)
  })
})

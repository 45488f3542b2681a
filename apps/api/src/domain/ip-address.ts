import { BlockList, isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * IP addresses and ranges of them: for allowlists, for the proxies in front of the server, and for counting failures.
 * An IPv4-mapped IPv6 address is its IPv4 address everywhere: a dual-stack socket shows every IPv4 client that way. An IPv6 range
 * thus never holds an IPv4 address, not even `::/0`.
 */

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** The addresses that agree with `network` in the first `prefix` bits; its further bits are 0. */
export interface Range {
  network: Address
  prefix: number
}

/** The `::ffff:0:0/96` before the 32 bits of a mapped address. */
const MAPPED_BITS = 96

const MAPPED = new BlockList()
MAPPED.addSubnet('::ffff:0:0', MAPPED_BITS, 'ipv6')

const PREFIX = /^(?:0|[1-9]\d{0,2})$/

/**
 * An address, or a CIDR range; bits set behind the prefix are cleared.
 * @returns undefined for any other text, such as `127.1`, `010.0.0.1`, `10.0.0.0/08` or one with a zone (`fe80::1%eth0`)
 */
export function parseRange(text: string): Range | undefined {
  const slash = text.indexOf('/')
  const parsed = parseAddress(slash === -1 ? text : text.slice(0, slash))
  if (parsed === undefined) return undefined
  const { address, mapped } = parsed
  const bits = bitsOf(address)
  if (slash === -1) return { network: address, prefix: bits }
  const prefixText = text.slice(slash + 1)
  if (!PREFIX.test(prefixText)) return undefined
  // A mapped range wider than all mapped addresses is neither an IPv4 range nor one that could hold an IPv6 client.
  const prefix = Number(prefixText) - (mapped ? MAPPED_BITS : 0)
  return prefix < 0 || prefix > bits ? undefined : { network: networkAddress(address, prefix), prefix }
}

/** The one way to write that range: `10.1.2.3/8` is `10.0.0.0/8`, `::ffff:10.1.2.3/128` is `10.1.2.3`; undefined where `parseRange` is. */
export function canonicalRange(text: string): string | undefined {
  const range = parseRange(text)
  if (range === undefined) return undefined
  return range.prefix === bitsOf(range.network) ? range.network.toString() : `${range.network}/${range.prefix}`
}

/**
 * Whether an address is in an allowlist, an empty one allowing everything. Ranges are read once, here; one that is malformed, and an
 * address that is none, match nothing.
 */
export function matcherOf(ranges: readonly string[]): (address: string) => boolean {
  return ranges.length === 0 ? () => true : memberOf(ranges)
}

/** Whether an address is that of a trusted proxy: as `matcherOf`, but an empty list trusts nobody. */
export function trustedProxies(ranges: readonly string[]): (address: string) => boolean {
  return ranges.length === 0 ? () => false : memberOf(ranges)
}

/** Whether every address of one range is in the other. */
export function isWithin(inner: string, outer: string): boolean {
  const [narrow, wide] = [parseRange(inner), parseRange(outer)]
  if (narrow === undefined || wide === undefined || narrow.network.kind() !== wide.network.kind()) return false
  return narrow.prefix >= wide.prefix && narrow.network.match(wide.network, wide.prefix)
}

/**
 * Who sent the request. `X-Forwarded-For` is read from its end, where the nearest proxy wrote, and only as far as each hop was written by a
 * proxy that is trusted: what a client puts there itself stands further left. The walk ends at an entry that is no address.
 * @param peer the socket's address; its zone (`fe80::1%eth0`) is left out
 * @returns in canonical form; the peer as it is when it is no address
 */
export function clientAddress(peer: string, forwardedFor: string | undefined, isTrusted: (address: string) => boolean): string {
  const [withoutZone = ''] = peer.split('%', 1)
  let client = canonicalAddress(withoutZone) ?? peer
  if (forwardedFor === undefined) return client
  let end = forwardedFor.length
  while (end >= 0 && isTrusted(client)) {
    const comma = end === 0 ? -1 : forwardedFor.lastIndexOf(',', end - 1)
    const hop = addressOfHop(forwardedFor.slice(comma + 1, end).trim())
    if (hop === undefined) break
    client = hop
    end = comma
  }
  return client
}

/** What one customer has of the address space at least: the IPv4 address itself, or the IPv6 address's /64. Other text as it is. */
export function networkOf(address: string): string {
  const parsed = parseAddress(address)?.address
  if (parsed === undefined) return address
  return parsed.kind() === 'ipv4' ? parsed.toString() : `${networkAddress(parsed, 64)}/64`
}

function memberOf(texts: readonly string[]): (address: string) => boolean {
  // Node's own lists: several times as fast as reading the address. One for each kind, or `::/0` would hold the mapped ones.
  const [v4, v6] = [new BlockList(), new BlockList()]
  for (const text of texts) {
    const range = parseRange(text)
    if (range === undefined) continue
    const kind = range.network.kind()
    const list = kind === 'ipv4' ? v4 : v6
    list.addSubnet(range.network.toString(), range.prefix, kind)
  }
  return (text) => {
    if (isIPv4(text)) return v4.check(text, 'ipv4')
    if (!isStrictIPv6(text)) return false
    return MAPPED.check(text, 'ipv6') ? v4.check(text, 'ipv6') : v6.check(text, 'ipv6')
  }
}

/** Node decides what is an address: ipaddr.js also takes short, octal and hexadecimal IPv4 forms, which others read differently. */
function parseAddress(text: string): { address: Address; mapped: boolean } | undefined {
  if (isIPv4(text)) return { address: ipaddr.IPv4.parse(text), mapped: false }
  if (!isStrictIPv6(text)) return undefined
  const address = ipaddr.IPv6.parse(text)
  return address.isIPv4MappedAddress() ? { address: address.toIPv4Address(), mapped: true } : { address, mapped: false }
}

/** Without a zone, and not `::1.2.3.4`: long deprecated, that is an address of its own, which ipaddr.js takes for the mapped one. */
function isStrictIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%') && !(text.includes('.') && text.lastIndexOf(':') === 1)
}

/** Every request comes through here, and most are IPv4, as such or as a dual-stack socket writes it: those need no parsing. */
function canonicalAddress(text: string): string | undefined {
  if (isIPv4(text)) return text
  if (text.startsWith('::ffff:') && isIPv4(text.slice(7))) return text.slice(7)
  return parseAddress(text)?.address.toString()
}

const WITH_PORT = /^(?:\[([^[\]]+)\]|([^:]+))(?::\d{1,5})?$/

/** An entry of `X-Forwarded-For`: `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]` or `[::1]:80`. */
function addressOfHop(entry: string): string | undefined {
  const [, inBrackets, beforePort] = WITH_PORT.exec(entry) ?? []
  return inBrackets === undefined || isIPv6(inBrackets) ? canonicalAddress(inBrackets ?? beforePort ?? entry) : undefined
}

function bitsOf(address: Address): number {
  return address.kind() === 'ipv4' ? 32 : 128
}

function networkAddress(address: Address, prefix: number): Address {
  const bytes = address.toByteArray().map((byte, index) => {
    const kept = Math.min(Math.max(prefix - index * 8, 0), 8)
    return byte & (0xff00 >> kept)
  })
  return ipaddr.fromByteArray(bytes)
}

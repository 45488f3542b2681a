import { BlockList, isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Which addresses deliveries may go to: global unicast ones, by the IANA IPv4 and IPv6 special-purpose address registries (RFC 6890, RFC 8190;
 * as of 2025), and those that the operator opens. For IPv4 that is everything but the list here; for IPv6 nothing but 2000::/3, the
 * only space that is given out, without what is special in it. Ranges that the registries call reachable but that hold infrastructure alone
 * (AS112, AMT, anycast relays) are refused, too.
 */

const SPECIAL_IPV4 = [
  '0.0.0.0/8', // this network; Linux connects it to itself
  '10.0.0.0/8', // private
  '100.64.0.0/10', // shared by a carrier's customers
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.31.196.0/24', // AS112
  '192.52.193.0/24', // AMT
  '192.88.99.0/24', // 6to4 relays, deprecated
  '192.168.0.0/16', // private
  '192.175.48.0/24', // AS112
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
]

const GLOBAL_IPV6 = ['2000::/3']

const SPECIAL_IPV6 = [
  '2001::/23', // protocol assignments: Teredo, benchmarks, AMT, AS112, ORCHID
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4
  '2620:4f:8000::/48', // AS112
  '3fff::/20', // documentation
]

/**
 * Never opened: credentials of the machine are one request away. Every cloud has its metadata service in the link-local range, which no
 * receiver has a use for; the others are those that clouds put elsewhere.
 */
const METADATA = [
  '169.254.0.0/16',
  'fe80::/10',
  '100.100.100.200/32', // Alibaba
  '168.63.129.16/32', // Azure; public by its number
  '192.0.0.192/32', // Oracle
  'fd00:ec2::/32', // AWS
  'fd20:ce::254/128', // Google
  'fd00:42::42/128', // Scaleway
]

/**
 * Never opened: behind each is an IPv4 address, and where it stands depends on the network or is hidden, so that an opened range could be a way to
 * any of them. IPv4-compatible addresses, IPv4-translated ones, NAT64 of local use, Teredo, 6to4.
 */
const HIDDEN_IPV4 = ['::/96', '::ffff:0:0:0/96', '64:ff9b:1::/48', '2001::/32', '2002::/16']

const LOOPBACK = ['127.0.0.0/8', '::1/128']
/** The well-known prefix of NAT64: to be opened where the network has IPv6 only. */
const NAT64 = ['64:ff9b::/96']

const RANGE = /^([^/%]+)(?:\/(0|[1-9]\d{0,2}))?$/

/** Node's lists look into IPv4-mapped addresses by themselves. */
const ANY_IPV4 = new BlockList()
ANY_IPV4.addSubnet('0.0.0.0', 0, 'ipv4')

export interface AddressGuard {
  /** Whether deliveries may go to this address; false for text that is no address, or has a zone. */
  allows(address: string): boolean
}

/**
 * @param options `allowedCidrs`: addresses and CIDR ranges to open beside the public ones
 * @throws Error for one that cannot be read
 */
export function createAddressGuard(options: { allowedCidrs: readonly string[]; allowLoopback: boolean }): AddressGuard {
  const isOpened = memberOf([...options.allowedCidrs, ...(options.allowLoopback ? LOOPBACK : [])])

  function allows(address: string): boolean {
    if (isIPv4(address)) return !isMetadata(address) && (isOpened(address) || !isSpecialIPv4(address))
    if (!isIPv6(address) || address.includes('%')) return false
    // What is connected to is the IPv4 address inside.
    if (isMapped(address)) return allows(lastIPv4(address))
    if (isMetadata(address)) return false
    if (isLoopback(address)) return isOpened(address)
    if (hidesIPv4(address)) return false
    // The translator connects to the IPv4 address inside: opening the prefix opens no more of those than are open anyway.
    if (isNat64(address)) return isOpened(address) && allows(lastIPv4(address))
    return isOpened(address) || (isGlobalIPv6(address) && !isSpecialIPv6(address))
  }

  return { allows }
}

const isSpecialIPv4 = memberOf(SPECIAL_IPV4)
const isGlobalIPv6 = memberOf(GLOBAL_IPV6)
const isSpecialIPv6 = memberOf(SPECIAL_IPV6)
const isMetadata = memberOf(METADATA)
const hidesIPv4 = memberOf(HIDDEN_IPV4)
const isLoopback = memberOf(LOOPBACK)
const isNat64 = memberOf(NAT64)

/** A list for each kind: in one list an IPv6 range such as `::/0` would hold every IPv4 address. */
function memberOf(ranges: readonly string[]): (address: string) => boolean {
  const [v4, v6] = [new BlockList(), new BlockList()]
  for (const range of ranges) {
    const { network, prefix } = parseRange(range)
    if (isIPv4(network)) v4.addSubnet(network, prefix, 'ipv4')
    else v6.addSubnet(network, prefix, 'ipv6')
  }
  return (address) => (isIPv4(address) ? v4.check(address, 'ipv4') : v6.check(address, 'ipv6'))
}

/** A range of IPv4-mapped addresses is the range of the IPv4 addresses inside. */
function parseRange(text: string): { network: string; prefix: number } {
  const [, network = '', prefixText] = RANGE.exec(text) ?? []
  const bits = isIPv4(network) ? 32 : 128
  const prefix = prefixText === undefined ? bits : Number(prefixText)
  if ((!isIPv4(network) && !isIPv6(network)) || prefix > bits) throw new Error(`${text} is not an address or a CIDR range.`)
  return isIPv6(network) && isMapped(network) && prefix >= 96 ? { network: lastIPv4(network), prefix: prefix - 96 } : { network, prefix }
}

/** Whether it is in ::ffff:0:0/96, in any spelling. */
function isMapped(address: string): boolean {
  return ANY_IPV4.check(address, 'ipv6')
}

/** The IPv4 address in the last 32 bits of an IPv6 address. */
function lastIPv4(address: string): string {
  return ipaddr.IPv6.parse(address).toByteArray().slice(-4).join('.')
}

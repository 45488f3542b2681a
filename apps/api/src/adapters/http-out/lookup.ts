import type { LookupAddress } from 'node:dns'
import { lookup, Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { AddressGuard } from './address-guard.ts'
import { SendFailure } from './send-failure.ts'

/** Every address of a name; rejects when there is none, or none can be found out. */
export type Lookup = (hostname: string) => Promise<LookupAddress[]>

/** As every program of the machine does: the hosts file, search domains, name servers. Takes one of a few threads for as long as it lasts. */
export const systemLookup: Lookup = (hostname) => lookup(hostname, { all: true, order: 'verbatim' })

/** Of one question to one name server; the second one waits longer. */
const QUESTION_TIMEOUT_MS = 1000
const QUESTIONS = 2

/**
 * Asks the machine's name servers, and nothing else. It takes no thread: anyone can have a webhook whose name servers never answer, and
 * four such names at a time would keep the system's lookup from everybody.
 * @param servers others to ask, for tests
 */
export function createNameServerLookup(servers?: readonly string[]): Lookup {
  return async (hostname) => {
    // RFC 6761, section 6.3: these are never asked of a name server.
    if (/(^|\.)localhost\.?$/.test(hostname)) return [{ address: '127.0.0.1', family: 4 }]
    // One for each lookup: a long-lived one would not see the machine's name servers change.
    const resolver = new Resolver({ timeout: QUESTION_TIMEOUT_MS, tries: QUESTIONS })
    if (servers !== undefined) resolver.setServers(servers)
    const [v4, v6] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)])
    const addresses = [
      ...(v6.status === 'fulfilled' ? v6.value.map((address) => ({ address, family: 6 })) : []),
      ...(v4.status === 'fulfilled' ? v4.value.map((address) => ({ address, family: 4 })) : []),
    ]
    if (addresses.length === 0 && v4.status === 'rejected') throw v4.reason
    return addresses
  }
}

/** The addresses of a host in a URL, if deliveries may go to all of them. */
export type Resolve = (host: string) => Promise<LookupAddress[]>

/**
 * A name with one address that deliveries may not go to is refused altogether, even if its others are public: that is a mistake, or an attempt
 * at rebinding (a public address first, a private one for when the first fails), and a choice among them would make deliveries a matter of luck.
 * Lookups of the same name at the same time are one: a name that takes long takes one place, however many deliveries wait for it.
 * @returns rejects with SendFailure, `dns_failed` or `address_refused`, and nothing else
 */
export function createResolve(options: { guard: AddressGuard; lookup: Lookup; timeoutMs: number }): Resolve {
  const { guard, timeoutMs } = options
  const underWay = new Map<string, Promise<LookupAddress[]>>()

  function lookUp(name: string): Promise<LookupAddress[]> {
    const existing = underWay.get(name)
    if (existing !== undefined) return existing
    const addresses = options.lookup(name).finally(() => underWay.delete(name))
    underWay.set(name, addresses)
    return addresses
  }

  return async (host) => {
    const family = isIP(host)
    const addresses = family === 0 ? await found(host, lookUp(host), timeoutMs) : [{ address: host, family }]
    if (addresses.every(({ address }) => guard.allows(address))) return addresses
    const what = family === 0 ? `${host} leads to an address` : `${host} is an address`
    throw new SendFailure('address_refused', `${what} that deliveries may not go to: it is private, reserved, or the machine's own.`)
  }
}

async function found(host: string, lookup: Promise<LookupAddress[]>, timeoutMs: number): Promise<LookupAddress[]> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new SendFailure('dns_failed', `The name ${host} was not resolved in time.`)), timeoutMs)
  try {
    const addresses = await Promise.race([lookup, late])
    if (addresses.length > 0) return addresses
  } catch (error) {
    if (error instanceof SendFailure) throw error
  } finally {
    clearTimeout(timer)
  }
  throw new SendFailure('dns_failed', `The name ${host} could not be resolved.`)
}

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { FAULTS, type FaultPlan, type FaultyProxy, faultsOf, startFaultyProxy } from './faulty-proxy.ts'

let server: Server | undefined
let proxy: FaultyProxy | undefined
/** What reached the server. */
const received: string[] = []

async function start(plan: FaultPlan): Promise<FaultyProxy> {
  server = createServer(async (incoming, response) => {
    received.push(`${incoming.method} ${incoming.url} ${await text(incoming)}`)
    response.writeHead(201, { 'X-Answer': 'a' }).end('{"answer":"whole"}')
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  proxy = await startFaultyProxy((server.address() as AddressInfo).port, plan)
  return proxy
}

afterEach(async () => {
  await proxy?.close()
  server?.closeAllConnections()
  server?.close()
  received.length = 0
})

const post = (url: string, signal: AbortSignal | null = null) => fetch(`${url}/a%2Fb?c=%20`, { method: 'POST', body: 'body', signal })

describe('the faulty proxy', () => {
  it('passes on what it leaves alone: target, headers, body, status', async () => {
    const { url, exchanges } = await start({ seed: 1 })
    const response = await post(url)
    expect([response.status, response.headers.get('x-answer'), await response.json()]).toEqual([201, 'a', { answer: 'whole' }])
    expect(received).toEqual(['POST /a%2Fb?c=%20 body'])
    expect(exchanges).toMatchObject([{ method: 'POST', target: '/a%2Fb?c=%20', body: 'body', fault: undefined, status: 201 }])
  })

  it('resets before forwarding: the server never hears of it', async () => {
    const { url } = await start({ seed: 1, shares: { 'reset-before': 1 } })
    await expect(post(url)).rejects.toThrow()
    expect(received).toEqual([])
  })

  it.each(['reset-after', 'lost-answer'] as const)('%s: the server has done it, the client gets no answer', async (fault) => {
    const { url, settled, exchanges } = await start({ seed: 1, shares: { [fault]: 1 } })
    await expect(post(url)).rejects.toThrow()
    await settled()
    expect(received).toHaveLength(1)
    expect(exchanges).toMatchObject([{ fault, status: 201 }])
  })

  it('breaks answers off anywhere, but never gives a whole one', async () => {
    const { url } = await start({ seed: 1, shares: { 'half-answer': 1 } })
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const response = await post(url).catch(() => undefined)
        if (response === undefined) return 'no head'
        return response.text().then(
          () => 'whole',
          () => 'head',
        )
      }),
    )
    expect(new Set(outcomes)).toEqual(new Set(['no head', 'head']))
    expect(received).toHaveLength(60)
  })

  it('keeps silent on an open connection until the client gives up', async () => {
    const { url, exchanges } = await start({ seed: 1, shares: { silence: 1 } })
    const controller = new AbortController()
    const answer = post(url, controller.signal)
    await expect.poll(() => exchanges[0]?.status).toBe(201)
    controller.abort(new Error('gave up'))
    await expect(answer).rejects.toThrow('gave up')
  })

  it('sends slowly, and all of it', async () => {
    const { url } = await start({ seed: 1, shares: { slow: 1 } })
    expect(await (await post(url)).json()).toEqual({ answer: 'whole' })
  })

  it('storms: 429 with Retry-After for some requests in a row, then passes on again', async () => {
    const { url, count } = await start({ seed: 1, storms: { every: 4, length: 2, retryAfterSeconds: 3 } })
    const answers: string[] = []
    for (let i = 0; i < 9; i++) {
      const response = await post(url)
      answers.push(`${response.status} ${response.headers.get('retry-after')}`)
    }
    const [yes, no] = ['201 null', '429 3']
    expect(answers).toEqual([yes, yes, yes, no, no, yes, yes, no, no])
    expect(count('storm')).toBe(4)
    expect(received).toHaveLength(5)
  })
})

describe('its chance', () => {
  const shares = Object.fromEntries(FAULTS.filter((fault) => fault !== 'storm').map((fault) => [fault, 0.1]))
  const sequence = (seed: number) => Array.from({ length: 10_000 }, faultsOf({ seed, shares }))

  it('is the same for the same seed, another for another', () => {
    expect(sequence(7)).toEqual(sequence(7))
    expect(sequence(7)).not.toEqual(sequence(8))
  })

  it('gives each fault its share', () => {
    for (const fault of FAULTS) {
      const met = sequence(7).filter((each) => each.fault === fault).length
      if (fault === 'storm') expect(met).toBe(0)
      else expect(Math.abs(met - 1000)).toBeLessThan(100)
    }
  })
})

/** When consuming polls, waits and retries: with an inbox and a clock of the test's own. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type ConsumeErrorContext, type ConsumeOptions, consume, type Handler } from '../src/consume.ts'
import { AuthenticationError, apiErrorFrom, ConnectionError, PermissionError, ValidationError } from '../src/errors.ts'
import type { Platform } from '../src/platform.ts'
import type { Event, InboxQuery } from '../src/types.ts'

/** Time passes at once, to whatever is waited for next, as soon as nothing else is to be done. */
function fakePlatform(): Platform {
  let now = 0
  const waits: { at: number; end: () => void }[] = []
  const next = () => {
    waits.sort((a, b) => a.at - b.at)
    const first = waits.shift()
    if (first === undefined) return
    now = Math.max(now, first.at)
    first.end()
  }
  return {
    nowMs: () => now,
    random: () => 1,
    wait: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const wait = { at: now + delayMs, end: resolve }
        waits.push(wait)
        signal?.addEventListener('abort', () => {
          if (waits.includes(wait)) waits.splice(waits.indexOf(wait), 1)
          reject(signal.reason)
        })
        setTimeout(next)
      }),
  }
}

const eventOf = (id: string): Event => ({
  event_id: id,
  created_at: '2025-11-21T08:00:00.000000Z',
  source: 's',
  event_type: 't',
  payload: {},
  status: 'pending',
  metadata: { priority: 'normal' },
  acknowledged_at: null,
})

const apiError = (status: number, code = 'X') =>
  apiErrorFrom({ status, code, message: `${status}`, requestId: 'r', details: {}, headers: {}, retryAfterMs: undefined })
const lost = () => new ConnectionError('lost', { code: 'ECONNRESET', requestId: 'r' })

/** An inbox in memory. A cursor is the last id of the page before. */
class FakeInbox {
  readonly platform = fakePlatform()
  /** The ids that are pending, oldest first; they sort by time. */
  pending: string[] = []
  readonly acked: string[] = []
  readonly polls: { at: number; query: InboxQuery }[] = []
  /** Called before each read and ack; what they throw is thrown. */
  onList: (query: InboxQuery) => void | Promise<void> = () => {}
  onAck: (id: string) => void | Promise<void> = () => {}
  readonly stop = new AbortController()
  readonly errors: (ConsumeErrorContext & { error: unknown; at: number })[] = []

  add(count: number, prefix = 'e'): void {
    const from = this.pending.length
    for (let n = 0; n < count; n++) this.pending.push(`${prefix}${String(from + n).padStart(5, '0')}`)
  }

  async list<Payload extends object>(query: InboxQuery = {}, options: { signal?: AbortSignal | undefined } = {}) {
    options.signal?.throwIfAborted()
    this.polls.push({ at: this.platform.nowMs(), query })
    const { cursor = '', limit = 50 } = query
    const rest = this.pending.filter((id) => id > cursor)
    const page = rest.slice(0, limit)
    await this.onList(query)
    // The test's payloads are whatever their handlers say.
    const data = page.map((id) => eventOf(id) as unknown as Event<Payload>)
    return { data, next_cursor: rest.length > limit ? (page.at(-1) ?? null) : null }
  }

  async ack(id: string) {
    await this.onAck(id)
    if (!this.pending.includes(id)) throw apiError(404)
    this.pending = this.pending.filter((other) => other !== id)
    this.acked.push(id)
  }

  consume(handler: Handler, options: ConsumeOptions = {}) {
    const onError = (error: unknown, context: ConsumeErrorContext) => {
      this.errors.push({ ...context, error, at: this.platform.nowMs() })
    }
    return consume(this, handler, { signal: this.stop.signal, onError, ...options }, this.platform)
  }

  /** Ends consuming at the nth read. */
  stopAtPoll(count: number): void {
    this.onList = () => {
      if (this.polls.length >= count) this.stop.abort()
    }
  }

  pollGaps(): number[] {
    return this.polls.slice(1).map(({ at }, index) => at - (this.polls[index]?.at ?? 0))
  }
}

afterEach(() => vi.restoreAllMocks())

describe('polling', () => {
  it('waits longer and longer for an empty inbox, up to pollIntervalMs', async () => {
    const inbox = new FakeInbox()
    inbox.stopAtPoll(8)
    await inbox.consume(() => {}, { pollIntervalMs: 1000 })
    expect(inbox.pollGaps()).toEqual([200, 400, 800, 1000, 1000, 1000, 1000])
  })

  it('waits half as long at the least, by chance', async () => {
    const inbox = new FakeInbox()
    inbox.platform.random = () => 0
    inbox.stopAtPoll(6)
    await inbox.consume(() => {}, { pollIntervalMs: 1000 })
    expect(inbox.pollGaps()).toEqual([100, 200, 400, 500, 500])
  })

  it('is quick again after events', async () => {
    const inbox = new FakeInbox()
    inbox.onList = () => {
      if (inbox.polls.length === 5) inbox.add(1)
      if (inbox.polls.length === 8) inbox.stop.abort()
    }
    await inbox.consume(() => {}, { pollIntervalMs: 1000 })
    expect(inbox.pollGaps()).toEqual([200, 400, 800, 1000, 1000, 100, 200])
  })

  it('never waits longer than pollIntervalMs, however short that is', async () => {
    const inbox = new FakeInbox()
    inbox.stopAtPoll(4)
    await inbox.consume(() => {}, { pollIntervalMs: 30 })
    expect(inbox.pollGaps()).toEqual([30, 30, 30])
  })

  it('does not read while all handlers are busy, and reads no more than a small page', async () => {
    const inbox = new FakeInbox()
    inbox.add(100)
    let count = 0
    const polls: number[] = []
    await inbox.consume(async () => {
      await inbox.platform.wait(1)
      polls.push(inbox.polls.length)
      if (++count === 20) inbox.stop.abort()
    })
    expect([inbox.polls[0]?.query.limit, Math.max(...polls)]).toEqual([20, 1])
  })

  it('asks for more at once when more can run at once, up to 100', async () => {
    for (const [concurrency, limit] of [
      [10, 40],
      [50, 100],
    ]) {
      const inbox = new FakeInbox()
      inbox.stopAtPoll(1)
      await inbox.consume(() => {}, { concurrency })
      expect(inbox.polls[0]?.query.limit).toBe(limit)
    }
  })

  it('sends the filters with every page, and nothing else', async () => {
    const inbox = new FakeInbox()
    inbox.add(25)
    inbox.stopAtPoll(3)
    await inbox.consume(() => {}, { source: 'shop', 'metadata.region': 'eu', priority: 'high' })
    const filters = { source: 'shop', 'metadata.region': 'eu', priority: 'high', limit: 20 }
    const queries = inbox.polls.map(({ query }) => JSON.parse(JSON.stringify(query)))
    expect(queries).toEqual([filters, { ...filters, cursor: 'e00019' }, filters])
  })

  it('goes on after failures, with growing waits, and tells of them', async () => {
    const inbox = new FakeInbox()
    inbox.add(1)
    inbox.onList = () => {
      if (inbox.polls.length <= 3) throw inbox.polls.length === 2 ? apiError(503) : lost()
      if (inbox.polls.length === 5) inbox.stop.abort()
    }
    await inbox.consume(() => {})
    expect(inbox.acked).toEqual(['e00000'])
    expect(inbox.errors.map(({ stage, event, retryInMs }) => [stage, event, retryInMs])).toEqual([
      ['poll', undefined, 500],
      ['poll', undefined, 1000],
      ['poll', undefined, 2000],
    ])
    expect(inbox.pollGaps().slice(0, 3)).toEqual([500, 1000, 2000])
  })

  it.each([
    [401, AuthenticationError],
    [403, PermissionError],
    [400, ValidationError],
    [422, ValidationError],
  ])('ends with the error when the first page is refused with %i', async (status, expected) => {
    const inbox = new FakeInbox()
    inbox.onList = () => {
      throw apiError(status)
    }
    await expect(inbox.consume(() => {})).rejects.toThrow(expected)
    expect(inbox.polls.length).toBe(1)
  })

  it('begins again when a cursor is refused', async () => {
    const inbox = new FakeInbox()
    inbox.add(30)
    inbox.onList = ({ cursor }) => {
      if (cursor !== undefined && inbox.polls.length === 2) throw apiError(400)
      if (inbox.polls.length === 5) inbox.stop.abort()
    }
    await inbox.consume(() => {})
    expect(inbox.acked.length).toBe(30)
    expect(inbox.errors.map(({ stage }) => stage)).toEqual(['poll'])
  })

  it('lets running handlers finish before it ends with an error', async () => {
    const inbox = new FakeInbox()
    inbox.add(21)
    const finished: string[] = []
    inbox.onList = () => {
      if (inbox.polls.length === 2) throw apiError(401)
    }
    const consuming = inbox.consume(
      async ({ event_id }) => {
        if (event_id === 'e00019') await inbox.platform.wait(5000)
        finished.push(event_id)
      },
      { concurrency: 2 },
    )
    await expect(consuming).rejects.toThrow(AuthenticationError)
    expect([finished.includes('e00019'), inbox.acked.includes('e00019')]).toEqual([true, true])
  })
})

describe('an event whose handler fails', () => {
  it('waits longer and longer, up to maxRetryDelayMs, and stays in the inbox', async () => {
    const inbox = new FakeInbox()
    inbox.add(1)
    const at: number[] = []
    await inbox.consume(
      () => {
        at.push(inbox.platform.nowMs())
        if (at.length === 7) inbox.stop.abort()
        throw new Error('broken')
      },
      { retryDelayMs: 1000, maxRetryDelayMs: 8000, pollIntervalMs: 60_000 },
    )
    expect(at.slice(1).map((time, index) => time - (at[index] ?? 0))).toEqual([1000, 2000, 4000, 8000, 8000, 8000])
    expect([inbox.acked, inbox.pending]).toEqual([[], ['e00000']])
  })

  it('waits just as long when its handler runs for long, beside others', async () => {
    const inbox = new FakeInbox()
    inbox.add(1)
    const waits: number[] = []
    let failedAt = 0
    await inbox.consume(
      async () => {
        waits.push(inbox.platform.nowMs() - failedAt)
        await inbox.platform.wait(10_000)
        failedAt = inbox.platform.nowMs()
        if (waits.length === 4) inbox.stop.abort()
        throw new Error('broken')
      },
      { concurrency: 2, retryDelayMs: 1000, pollIntervalMs: 500 },
    )
    expect(waits).toEqual([0, 1000, 2000, 4000])
    // 40 seconds of handling and 7 of waiting, with a poll every half second.
    expect(inbox.polls.length).toBeLessThan(110)
  })

  it('is told of, with the error, the event and when it is tried again', async () => {
    const inbox = new FakeInbox()
    inbox.add(1)
    let count = 0
    const broken = new Error('broken')
    await inbox.consume(() => {
      if (++count === 1) throw broken
      inbox.stop.abort()
    })
    expect(inbox.errors).toEqual([{ error: broken, stage: 'handler', event: eventOf('e00000'), retryInMs: 1000, at: 0 }])
    expect(inbox.acked).toEqual(['e00000'])
  })

  it('holds up no other', async () => {
    const inbox = new FakeInbox()
    inbox.add(100)
    await inbox.consume(({ event_id }) => {
      if (event_id === 'e00000') throw new Error('broken')
      if (inbox.acked.length === 98) inbox.stop.abort()
    })
    expect(inbox.pending).toEqual(['e00000'])
    expect(inbox.platform.nowMs()).toBe(0)
  })

  it('is tried again while the inbox is far from its end', async () => {
    const inbox = new FakeInbox()
    inbox.add(1000)
    let before = -1
    let fails = 0
    await inbox.consume(
      async ({ event_id }) => {
        await inbox.platform.wait(10)
        if (event_id !== 'e00000') return
        if (fails++ < 1) throw new Error('broken')
        before = inbox.acked.length
        inbox.stop.abort()
      },
      { retryDelayMs: 500 },
    )
    // 50 others were handled in these 500 ms, and then at most two pages.
    expect(before).toBeGreaterThanOrEqual(49)
    expect(before).toBeLessThan(100)
  })

  it('cannot keep new events from being handled, however many there are', async () => {
    const inbox = new FakeInbox()
    inbox.add(300, 'bad')
    inbox.add(300, 'good')
    await inbox.consume(
      async ({ event_id }) => {
        await inbox.platform.wait(1)
        if (event_id.startsWith('bad')) throw new Error('broken')
        if (inbox.acked.length === 299) inbox.stop.abort()
      },
      { retryDelayMs: 50, maxRetryDelayMs: 50, concurrency: 4 },
    )
    expect(inbox.pending.every((id) => id.startsWith('bad'))).toBe(true)
  })

  it('and that others acknowledge is forgotten, without polling on and on', async () => {
    const inbox = new FakeInbox()
    inbox.add(1)
    inbox.stopAtPoll(8)
    await inbox.consume(
      () => {
        inbox.pending = []
        throw new Error('broken')
      },
      { pollIntervalMs: 1000, retryDelayMs: 150 },
    )
    expect(inbox.pollGaps()).toEqual([100, 50, 400, 800, 1000, 1000, 1000])
  })

  it('because it was told to stop is not told of', async () => {
    const inbox = new FakeInbox()
    inbox.add(1)
    await inbox.consume((_, { signal }) => {
      inbox.stop.abort()
      signal.throwIfAborted()
    })
    expect([inbox.errors, inbox.pending]).toEqual([[], ['e00000']])
  })

  it('is told of on the console without a hook', async () => {
    const printed = vi.spyOn(console, 'error').mockImplementation(() => {})
    const inbox = new FakeInbox()
    inbox.add(1)
    const broken = new Error('broken')
    inbox.stopAtPoll(2)
    await inbox.consume(
      () => {
        throw broken
      },
      { onError: undefined },
    )
    expect(printed.mock.calls).toEqual([['triggers: handling e00000 failed; again in 1000 ms:', broken]])
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('enough')
      },
    ],
    ['rejects', () => Promise.reject(new Error('enough'))],
  ])('ends consuming when the hook %s', async (_, onError) => {
    const inbox = new FakeInbox()
    inbox.add(3)
    const handler = () => {
      throw new Error('broken')
    }
    await expect(inbox.consume(handler, { onError })).rejects.toThrow('enough')
    expect(inbox.pending).toHaveLength(3)
  })
})

describe('an acknowledgement', () => {
  it('that fails is tried again, and the handler is not', async () => {
    const inbox = new FakeInbox()
    inbox.add(1)
    let acks = 0
    let runs = 0
    inbox.onAck = () => {
      if (++acks < 4) throw lost()
      inbox.stop.abort()
    }
    await inbox.consume(() => void runs++, { concurrency: 3 })
    expect([runs, acks, inbox.acked]).toEqual([1, 4, ['e00000']])
    expect(inbox.errors.map(({ stage, retryInMs }) => [stage, retryInMs])).toEqual([
      ['ack', 250],
      ['ack', 500],
      ['ack', 1000],
    ])
  })

  it.each([404, 409])('that is refused with %i means that the event is done', async (status) => {
    const inbox = new FakeInbox()
    inbox.add(2)
    let runs = 0
    inbox.onAck = () => {
      throw apiError(status)
    }
    inbox.stopAtPoll(4)
    await inbox.consume(() => void runs++)
    expect([runs, inbox.errors]).toEqual([2, []])
  })

  it.each([401, 403])('that is refused with %i ends consuming', async (status) => {
    const inbox = new FakeInbox()
    inbox.add(5)
    let runs = 0
    inbox.onAck = () => {
      throw apiError(status)
    }
    await expect(inbox.consume(() => void runs++)).rejects.toThrow(String(status))
    expect(runs).toBe(1)
  })

  it('is tried once more after the stop, and then left', async () => {
    const inbox = new FakeInbox()
    inbox.add(1)
    let acks = 0
    inbox.onAck = () => {
      acks++
      setTimeout(() => inbox.stop.abort())
      throw lost()
    }
    await inbox.consume(() => {})
    expect(acks).toBe(2)
    expect(inbox.errors.map(({ stage, retryInMs }) => [stage, retryInMs])).toEqual([
      ['ack', 250],
      ['ack', undefined],
    ])
  })

  it('while a page was on its way keeps that page from starting the event again', async () => {
    const inbox = new FakeInbox()
    inbox.add(1)
    const runs: string[] = []
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    inbox.onList = async () => {
      // The second page is read while the event is pending, and comes when it is not.
      if (inbox.polls.length === 2) {
        release()
        while (inbox.pending.length > 0) await new Promise((resolve) => setTimeout(resolve))
      }
      if (inbox.polls.length === 4) inbox.stop.abort()
    }
    await inbox.consume(
      async ({ event_id }) => {
        runs.push(event_id)
        await released
      },
      { concurrency: 2 },
    )
    expect(runs).toEqual(['e00000'])
  })
})

describe('a page', () => {
  it('is read anew when it is old, as others may have acknowledged its events', async () => {
    const inbox = new FakeInbox()
    inbox.add(10)
    const runs: string[] = []
    await inbox.consume(async ({ event_id }) => {
      runs.push(event_id)
      await inbox.platform.wait(6000)
      // Another process.
      if (runs.length === 1) inbox.pending = inbox.pending.filter((id) => id > 'e00004' || id === event_id)
      if (runs.length === 3) inbox.stop.abort()
    })
    expect(runs).toEqual(['e00000', 'e00005', 'e00006'])
  })
})

describe('stopping', () => {
  it('before the start reads nothing', async () => {
    const inbox = new FakeInbox()
    inbox.stop.abort()
    await inbox.consume(() => {})
    expect(inbox.polls).toEqual([])
  })

  it('during a wait is at once', async () => {
    const inbox = new FakeInbox()
    inbox.platform.wait = (_, signal) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason))
        setTimeout(() => inbox.stop.abort())
      })
    await inbox.consume(() => {})
    expect(inbox.polls.length).toBe(1)
  })

  it('leaves no listener on the signal', async () => {
    const inbox = new FakeInbox()
    const { signal } = inbox.stop
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    inbox.onList = () => {
      throw apiError(401)
    }
    await inbox.consume(() => {}).catch(() => {})
    expect(removed.mock.calls.length).toBe(added.mock.calls.length)
  })
})

it.each([[{ concurrency: 0 }], [{ concurrency: 1.5 }], [{ pollIntervalMs: 0 }], [{ retryDelayMs: Number.NaN }], [{ maxRetryDelayMs: -1 }]])(
  'refuses %j',
  async (options) => {
    await expect(new FakeInbox().consume(() => {}, options)).rejects.toThrow(TypeError)
  },
)

it('refuses a handler that is none', async () => {
  await expect(new FakeInbox().consume(undefined as unknown as Handler)).rejects.toThrow(/needs a handler/)
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SEND_ERRORS, type SendResult } from '../webhook-ports.ts'
import { type Attempted, alarmsOwner, isFailingTooLong, judgeAttempt } from './deliveries.ts'

const NOW_US = Date.UTC(2025, 10, 21, 8) * 1000

const answer = (statusCode: number, retryAfter: string | null = null): SendResult => ({
  outcome: 'answered',
  statusCode,
  retryAfter,
  body: 'the answer',
  isTruncated: true,
  durationMs: 12,
})

/** A first attempt at a delivery of an active webhook, answered with 500; but for the given fields. */
function judge(fields: Partial<Attempted> = {}) {
  return judgeAttempt({
    webhook: { retry: 'standard' },
    delivery: { attemptCount: 0, scheduleStart: 0 },
    result: answer(500),
    isActive: true,
    startedAtUs: NOW_US - 12_000,
    nowUs: NOW_US,
    random: 0.5,
    ...fields,
  })
}

const SHORT = { retry: 'short' as const }
const after = (attemptCount: number, scheduleStart = 0) => ({ delivery: { attemptCount, scheduleStart } })
const waitOf = (fields: Partial<Attempted>) => {
  const { dueAtUs } = judge(fields)
  return dueAtUs === null ? null : (dueAtUs - NOW_US) / 1e6
}

describe('what each answer leads to', () => {
  it.each([200, 201, 202, 204, 299])('%d: delivered', (statusCode) => {
    expect(judge({ result: answer(statusCode) })).toEqual({
      attempt: {
        attempt: 1,
        startedAtUs: NOW_US - 12_000,
        durationMs: 12,
        statusCode,
        error: null,
        responseBody: 'the answer',
        responseTruncated: true,
        retryReason: null,
      },
      status: 'delivered',
      dueAtUs: null,
      succeeded: true,
      disables: null,
    })
  })

  it.each([100, 101, 300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 408, 409, 411, 413, 422, 425, 429, 500, 502, 503, 504, 599])(
    '%d: tried again',
    (statusCode) => {
      expect(judge({ result: answer(statusCode) })).toEqual({
        attempt: expect.objectContaining({ statusCode, error: null, responseBody: 'the answer', retryReason: `status_${statusCode}` }),
        status: 'pending',
        dueAtUs: NOW_US + 5e6,
        succeeded: false,
        disables: null,
      })
    },
  )

  it.each(SEND_ERRORS)('%s: tried again', (error) => {
    expect(judge({ result: { outcome: 'failed', error, message: 'why', durationMs: 3 } })).toEqual({
      attempt: {
        attempt: 1,
        startedAtUs: NOW_US - 12_000,
        durationMs: 3,
        statusCode: null,
        error,
        responseBody: '',
        responseTruncated: false,
        retryReason: error,
      },
      status: 'pending',
      dueAtUs: NOW_US + 5e6,
      succeeded: false,
      disables: null,
    })
  })

  it('410: held, and the webhook is to be disabled, at the last attempt too', () => {
    for (const fields of [{}, after(8), after(20)]) {
      const { attempt, ...rest } = judge({ result: answer(410), ...fields })
      expect([attempt.statusCode, attempt.retryReason]).toEqual([410, null])
      expect(rest).toEqual({ status: 'held', dueAtUs: null, succeeded: false, disables: 'gone' })
    }
  })

  it('while the webhook is not active: delivered or held, and nothing is disabled again', () => {
    const ended = (result: SendResult, fields: Partial<Attempted> = {}) => {
      const { status, dueAtUs, disables, attempt } = judge({ result, isActive: false, ...fields })
      return [status, dueAtUs, disables, attempt.retryReason]
    }
    expect(ended(answer(200))).toEqual(['delivered', null, null, null])
    for (const result of [answer(500), answer(410), answer(302)]) expect(ended(result)).toEqual(['held', null, null, null])
    expect(ended(answer(500), after(8))).toEqual(['held', null, null, null])
  })
})

describe('the schedule', () => {
  it('standard: nine attempts over about a day, then dead', () => {
    const waits = Array.from({ length: 9 }, (_, attemptCount) => waitOf(after(attemptCount)))
    expect(waits).toEqual([5, 30, 120, 600, 3600, 10_800, 21_600, 43_200, null])
    const { status, attempt, disables, succeeded } = judge(after(8))
    expect([status, attempt.attempt, attempt.retryReason, disables, succeeded]).toEqual(['dead', 9, null, null, false])
  })

  it('short: four attempts, after exactly 1, 2 and 4 seconds', () => {
    for (const random of [0, 0.5, 1]) {
      const waits = Array.from({ length: 4 }, (_, attemptCount) => waitOf({ ...after(attemptCount), webhook: SHORT, random }))
      expect(waits).toEqual([1, 2, 4, null])
    }
    expect(judge({ ...after(3), webhook: SHORT })).toMatchObject({ status: 'dead', attempt: { attempt: 4 } })
  })

  it('begins anew where a retry by hand began, while attempts count on', () => {
    expect(waitOf(after(9, 9))).toBe(5)
    expect(judge(after(9, 9)).attempt.attempt).toBe(10)
    expect(waitOf(after(12, 9))).toBe(600)
    expect(judge(after(17, 9)).status).toBe('dead')
  })

  it('ends at once for a webhook whose profile became shorter meanwhile', () => {
    expect(judge({ ...after(6), webhook: SHORT }).status).toBe('dead')
  })

  it('waits up to a fifth longer or shorter, in whole microseconds', () => {
    expect(waitOf({ random: 0 })).toBe(4)
    expect(waitOf({ random: 1 })).toBe(6)
    expect(waitOf({ ...after(7), random: 0 })).toBe(34_560)
    const random = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(fc.nat(7), random, (attemptCount, one) => {
        const { dueAtUs } = judge({ ...after(attemptCount), random: one })
        const plain = (waitOf(after(attemptCount)) ?? 0) * 1e6
        const waitUs = (dueAtUs ?? 0) - NOW_US
        expect(Number.isInteger(dueAtUs) && waitUs >= plain * 0.8 && waitUs <= plain * 1.2).toBe(true)
      }),
    )
  })
})

describe('Retry-After', () => {
  const waits = (retryAfter: string, fields: Partial<Attempted> = {}) => waitOf({ result: answer(503, retryAfter), ...fields })

  it('puts the next attempt off, by seconds or a date', () => {
    expect(waits('90')).toBe(90)
    expect(waits('Fri, 21 Nov 2025 08:01:00 GMT')).toBe(60)
    for (const statusCode of [301, 400, 429, 500, 503]) expect(waitOf({ result: answer(statusCode, '90') })).toBe(90)
    expect(waits('90', { webhook: SHORT })).toBe(90)
  })

  it('never brings it forward', () => {
    expect(waits('1')).toBe(5)
    expect(waits('0')).toBe(5)
    expect(waits('5', { random: 1 })).toBe(6)
    expect(waits('Sun, 06 Nov 1994 08:49:37 GMT')).toBe(5)
  })

  it('counts up to an hour, where the profile does not wait longer anyway', () => {
    expect(waits('3600')).toBe(3600)
    expect(waits('3601')).toBe(3600)
    expect(waits('9'.repeat(400))).toBe(3600)
    expect(waits('Sat, 22 Nov 2025 08:00:00 GMT')).toBe(3600)
    expect(waits('3600', after(5))).toBe(10_800)
    expect(waits('9'.repeat(400), { ...after(5), random: 0 })).toBe(8640)
  })

  it('that cannot be read counts for nothing', () => {
    for (const header of ['', 'soon', '-5', '1e9', '2025-11-21T09:00:00Z']) expect(waits(header)).toBe(5)
  })

  it('makes no further attempt', () => {
    expect(judge({ result: answer(503, '90'), ...after(8) }).status).toBe('dead')
    expect(judge({ result: answer(410, '90') }).dueAtUs).toBeNull()
  })
})

it('judges any answer: a delivery is pending exactly when it has a time and a reason', () => {
  const result: fc.Arbitrary<SendResult> = fc.oneof(
    fc.record({
      outcome: fc.constant('answered' as const),
      statusCode: fc.integer({ min: 100, max: 999 }),
      retryAfter: fc.oneof(fc.constant(null), fc.string(), fc.nat().map(String)),
      body: fc.string(),
      isTruncated: fc.boolean(),
      durationMs: fc.nat(),
    }),
    fc.record({
      outcome: fc.constant('failed' as const),
      error: fc.constantFrom(...SEND_ERRORS),
      message: fc.string(),
      durationMs: fc.nat(),
    }),
  )
  const count = fc.nat(12)
  fc.assert(
    fc.property(
      result,
      count,
      count,
      fc.boolean(),
      fc.constantFrom('standard' as const, 'short' as const),
      (one, retries, start, isActive, retry) => {
        const judged = judge({
          result: one,
          delivery: { attemptCount: start + retries, scheduleStart: start },
          isActive,
          webhook: { retry },
        })
        const isPending = judged.status === 'pending'
        expect([judged.dueAtUs !== null, judged.attempt.retryReason !== null]).toEqual([isPending, isPending])
        expect(judged.succeeded).toBe(judged.status === 'delivered')
        expect((judged.dueAtUs ?? Number.POSITIVE_INFINITY) > NOW_US).toBe(true)
      },
    ),
  )
})

it('alarms the owner by a dead delivery, but not by one of our own events', () => {
  expect(alarmsOwner('order.paid', 'dead')).toBe(true)
  expect(alarmsOwner('triggers.webhook.disabled', 'dead')).toBe(false)
  for (const status of ['pending', 'delivered', 'held', 'cancelled'] as const) expect(alarmsOwner('order.paid', status)).toBe(false)
})

it('has failed too long after five days', () => {
  const fiveDays = 5 * 86_400e6
  expect(isFailingTooLong(NOW_US, NOW_US + fiveDays)).toBe(true)
  expect(isFailingTooLong(NOW_US, NOW_US + fiveDays - 1)).toBe(false)
  expect(isFailingTooLong(NOW_US, NOW_US - 1)).toBe(false)
  expect(isFailingTooLong(null, NOW_US)).toBe(false)
})

import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { newUuid } from '../../../uuid.ts'
import type { AttemptRecord } from '../../../webhook-ports.ts'
import { attemptsOf, duePlace, dueTimeOf, withAttempt } from './delivery-item.ts'

function attemptWith(attempt: number, responseBody: string): AttemptRecord {
  const answer = { statusCode: 500, error: null, responseBody, responseTruncated: false, retryReason: 'status_500' }
  return { attempt, startedAtUs: 1_763_712_000_000_000 + attempt, durationMs: 3, ...answer }
}

/** The attempts as they are stored, one after the other. */
function stored(bodies: readonly string[]) {
  return bodies.reduce((row, body, index) => ({ attempts: withAttempt(row, attemptWith(index + 1, body)) }), {
    attempts: undefined as ReturnType<typeof withAttempt> | undefined,
  })
}

it('fits the newest hundred attempts into an item, whatever was answered: the oldest lose their bodies', () => {
  const bodies = Array.from({ length: 103 }, () => randomBytes(3072).toString('base64'))
  const { attempts } = stored(bodies)
  expect(Buffer.from(attempts ?? '').length).toBeLessThan(350_000)
  const read = attemptsOf({ attempts })
  expect(read.map(({ attempt }) => attempt)).toEqual(Array.from({ length: 100 }, (_, index) => index + 4))
  const whole = read.findIndex(({ responseBody }) => responseBody !== '')
  expect(whole).toBeGreaterThan(0)
  expect(whole).toBeLessThan(50)
  expect(read.slice(0, whole)).toEqual(read.slice(0, whole).map((one) => ({ ...one, responseBody: '', responseTruncated: true })))
  expect(read.slice(whole)).toEqual(read.slice(whole).map(({ attempt }) => attemptWith(attempt, bodies[attempt - 1] ?? '')))
})

it('keeps every body where they can be compressed', () => {
  const bodies = Array.from({ length: 100 }, (_, index) => `${index} ${'<p>Out of order</p>'.repeat(200)}`)
  expect(attemptsOf(stored(bodies))).toEqual(bodies.map((body, index) => attemptWith(index + 1, body)))
})

it('sorts places by time, then by id, and tells the time', () => {
  const time = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
  fc.assert(
    fc.property(time, time, (a, b) => {
      const [one, two] = [newUuid(1), newUuid(2)]
      expect(dueTimeOf(duePlace(a, one))).toBe(a)
      expect(duePlace(a, two) < duePlace(b, one)).toBe(a < b)
      expect(duePlace(a, one) < duePlace(a, two)).toBe(true)
    }),
  )
})

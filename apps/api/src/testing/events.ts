/** What tests of events share: a valid input, and steps that must succeed. */
import { expect } from 'vitest'
import type { TestAnswer, TestApp } from './test-app.ts'

export const INPUT = { source: 'shop', event_type: 'order.paid', payload: { total: 12 } }

/** An id of the right form that names no event. */
export const UNKNOWN_ID = '01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e'

/** What bulk calls refuse in place of 1 to 25 ids. */
export const WRONG_ID_LISTS: [name: string, eventIds: unknown][] = [
  ['none', []],
  ['26', Array.from({ length: 26 }, () => UNKNOWN_ID)],
  ['null', null],
  ['text', UNKNOWN_ID],
  ['nothing', undefined],
]

export interface Created {
  event_id: string
  created_at: string
}

/** Creates an event that is `INPUT` but for the given fields. */
export async function createEvent(app: TestApp, key: string, fields: object = {}): Promise<Created> {
  const answer = await app.request('/v1/events', { method: 'POST', key, body: { ...INPUT, ...fields } })
  expect(answer.status, answer.text).toBe(201)
  return answer.body
}

/** Creates that many events, in bulk; `fieldsOf` says how each differs from `INPUT`. */
export async function createEvents(
  app: TestApp,
  key: string,
  count: number,
  fieldsOf: (index: number) => object = () => ({}),
): Promise<Created[]> {
  const created: Created[] = []
  while (created.length < count) {
    const items = Array.from({ length: Math.min(25, count - created.length) }, (_, place) => ({
      ...INPUT,
      ...fieldsOf(created.length + place),
    }))
    const answer = await app.request('/v1/events/bulk', { method: 'POST', key, body: { items } })
    expect(answer.body.failed).toEqual([])
    created.push(...answer.body.successful)
  }
  return created
}

export function getEvent(app: TestApp, key: string, eventId: string): Promise<TestAnswer> {
  return app.request(`/v1/events/${eventId}`, { key })
}

export function ackEvent(app: TestApp, key: string, eventId: string): Promise<TestAnswer> {
  return app.request(`/v1/events/${eventId}/ack`, { method: 'POST', key })
}

/** The ids on one page. */
export async function idsOn(app: TestApp, key: string, path: string): Promise<string[]> {
  const answer = await app.request(path, { key })
  expect(answer.status, answer.text).toBe(200)
  return idsOf(answer)
}

export function idsOf(answer: TestAnswer): string[] {
  return answer.body.events.map((event: Created) => event.event_id)
}

/** The ids of every page from the path on, by following the cursors; `between` runs after each page. */
export async function readAllPages(
  app: TestApp,
  key: string,
  path: string,
  between: (ids: string[]) => Promise<void> = async () => {},
): Promise<string[][]> {
  const pages: string[][] = []
  let cursor: string | null = null
  do {
    const page: TestAnswer = await app.request(cursor === null ? path : `${path}${path.includes('?') ? '&' : '?'}cursor=${cursor}`, { key })
    expect(page.status, page.text).toBe(200)
    pages.push(idsOf(page))
    await between(idsOf(page))
    cursor = page.body.pagination.next_cursor
  } while (cursor !== null)
  return pages
}

/** Holds an answer against a validation error of that status whose first problem is that field's. */
export function expectRefused(answer: TestAnswer, status: 400 | 415 | 422, field: string): void {
  expect([answer.status, answer.body.error?.code, answer.body.error?.details.field], answer.text.slice(0, 500)).toEqual([
    status,
    'VALIDATION_ERROR',
    field,
  ])
}

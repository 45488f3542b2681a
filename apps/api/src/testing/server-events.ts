import { expect } from 'vitest'
import type { ServerProcess } from './server-process.ts'
import { settled } from './server-store.ts'

interface Page {
  events: { event_id: string; source: string; status: string }[]
  pagination: { next_cursor: string | null }
}

/** All events of the server, by id, read page by page. */
export async function eventsOf(server: ServerProcess): Promise<Map<string, { source: string; status: string }>> {
  const events = new Map<string, { source: string; status: string }>()
  await settled()
  let cursor: string | null = ''
  while (cursor !== null) {
    const answer = await server.request(`/v1/events?order=asc&limit=100${cursor === '' ? '' : `&cursor=${cursor}`}`)
    expect(answer.status).toBe(200)
    const page: Page = JSON.parse(await answer.text())
    for (const event of page.events) {
      expect(events.has(event.event_id)).toBe(false)
      events.set(event.event_id, event)
    }
    cursor = page.pagination.next_cursor
  }
  return events
}

/** Creates one event and gives its id. */
export async function createdEvent(server: ServerProcess, source: string, payload: object = {}): Promise<string> {
  const answer = await server.request('/v1/events', { method: 'POST', body: { source, event_type: 'test', payload } })
  expect(answer.status).toBe(201)
  const created: { event_id: string } = JSON.parse(await answer.text())
  return created.event_id
}

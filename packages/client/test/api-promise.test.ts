import { describe, expect, expectTypeOf, it, vi } from 'vitest'
import { ApiPromise, type ApiResponse, type Event, NotFoundError, Page, PagePromise, Triggers, type Whoami } from '../src/index.ts'
import { errorBody, type Step, startFaultyServer } from './faulty-server.ts'

async function clientOf(...steps: [Step, ...Step[]]) {
  const server = await startFaultyServer(...steps)
  return { server, triggers: new Triggers({ apiKey: 'k', baseUrl: server.url }) }
}

describe('what a call gives', () => {
  it('is a promise of the body', async () => {
    const { triggers, server } = await clientOf({ status: 200, body: { name: 'Shop' } })
    const call = triggers.whoami()
    expectTypeOf(call).toExtend<Promise<Whoami>>()
    expect(call).toBeInstanceOf(ApiPromise)
    const done = vi.fn()
    expect(await Promise.all([call, call.then(({ name }) => name), call.finally(done), call.catch(() => 'no')])).toEqual([
      { name: 'Shop' },
      'Shop',
      { name: 'Shop' },
      { name: 'Shop' },
    ])
    expect(done).toHaveBeenCalledOnce()
    expect(server.requests).toHaveLength(1)
  })

  it('gives the whole answer of the same request', async () => {
    const { triggers, server } = await clientOf({ status: 200, headers: { 'x-request-id': 'r-1', 'X-Other': 'o' }, body: { name: 'Shop' } })
    const call = triggers.whoami()
    const response = await call.withResponse()
    expectTypeOf(response).toEqualTypeOf<ApiResponse<Whoami>>()
    expect(response).toEqual({
      data: { name: 'Shop' },
      status: 200,
      requestId: 'r-1',
      headers: expect.objectContaining({ 'x-other': 'o' }),
    })
    expect(await call).toEqual({ name: 'Shop' })
    expect(server.requests).toHaveLength(1)
  })

  it('rejects in each of its ways, and only there', async () => {
    const { triggers } = await clientOf({ status: 404, body: errorBody('NOT_FOUND') })
    const call = triggers.events.get('e')
    await expect(call.withResponse()).rejects.toThrow(NotFoundError)
    await expect(call).rejects.toThrow(NotFoundError)
    expect(await call.catch((error: unknown) => error)).toBeInstanceOf(NotFoundError)
    const done = vi.fn()
    await expect(call.finally(done)).rejects.toThrow(NotFoundError)
    expect(done).toHaveBeenCalledOnce()
  })
})

describe('a list', () => {
  const pageOf = (ids: string[], next_cursor: string | null): Step => ({
    status: 200,
    body: { events: ids.map((event_id) => ({ event_id })), pagination: { next_cursor, limit: 2 }, request_id: `r-${next_cursor}` },
  })

  it('sends the cursor with the same query, and ends where there is none', async () => {
    const { triggers, server } = await clientOf(pageOf(['a', 'b'], 'c1'), pageOf([], 'c2'), pageOf(['c'], null))
    const seen: string[] = []
    for await (const { event_id } of triggers.inbox.list({ source: 's', limit: 2 })) seen.push(event_id)
    expect(seen).toEqual(['a', 'b', 'c'])
    expect(server.requests.map(({ target }) => target)).toEqual([
      '/v1/inbox?source=s&limit=2',
      '/v1/inbox?source=s&limit=2&cursor=c1',
      '/v1/inbox?source=s&limit=2&cursor=c2',
    ])
  })

  it('asks for no page that nobody wants', async () => {
    const { triggers, server } = await clientOf(pageOf(['a', 'b'], 'c1'))
    for await (const _ of triggers.inbox.list()) break
    expect(server.requests).toHaveLength(1)
  })

  it('gives the page with its answer', async () => {
    const { triggers } = await clientOf(pageOf(['a'], null))
    const list = triggers.inbox.list()
    expect(list).toBeInstanceOf(PagePromise)
    const { data, status } = await list.withResponse()
    expectTypeOf(data).toEqualTypeOf<Page<Event>>()
    expect(data).toBeInstanceOf(Page)
    expect({ ...data, status }).toEqual({
      data: [{ event_id: 'a' }],
      next_cursor: null,
      has_more: false,
      request_id: 'r-null',
      status: 200,
    })
  })
})

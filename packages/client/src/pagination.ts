/** Lists: a page that is awaited, or all items one after the other. */
import { ApiPromise } from './api-promise.ts'
import type { RequestOptions } from './options.ts'
import type { ApiResponse, Transport } from './transport.ts'

/** One page of a list. */
export class Page<T> {
  readonly data: T[]
  /** Where the next page begins; null exactly when nothing more matches now. */
  readonly next_cursor: string | null
  readonly has_more: boolean
  /** The id of the request that read the page, for support and logs. */
  readonly request_id: string
  readonly #readPage: (cursor: string) => PagePromise<T>

  constructor(data: T[], nextCursor: string | null, requestId: string, readPage: (cursor: string) => PagePromise<T>) {
    this.data = data
    this.next_cursor = nextCursor
    this.has_more = nextCursor !== null
    this.request_id = requestId
    this.#readPage = readPage
  }

  /** The page after this one; undefined after the last. */
  async nextPage(): Promise<Page<T> | undefined> {
    return this.next_cursor === null ? undefined : this.#readPage(this.next_cursor)
  }

  /** The items of this page and of all after it. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (let page: Page<T> | undefined = this; page !== undefined; page = await page.nextPage()) yield* page.data
  }
}

/**
 * What `list()` gives: a promise of the first page, and the items of all pages for `for await`.
 *
 * @example
 * const page = await triggers.inbox.list({ limit: 10 })
 * for await (const event of triggers.inbox.list({ source: 'shop' })) console.log(event.event_id)
 */
export class PagePromise<T> extends ApiPromise<Page<T>> {
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    yield* await this
  }
}

/** The body of a list's answer, beside its items. */
interface PageBody {
  pagination: { next_cursor: string | null }
  request_id: string
}

/**
 * Reads the list at `path`, a page at a time; `itemsOf` finds a page's items in its body. A path that cannot be made, for want of an id
 * say, is a rejection too.
 */
export function readPages<T, Body extends PageBody>(
  transport: Transport,
  path: string | (() => string),
  query: { cursor?: string | undefined } | undefined,
  options: RequestOptions | undefined,
  itemsOf: (body: Body) => T[],
): PagePromise<T> {
  const readPage = async (cursor: string | undefined): Promise<ApiResponse<Page<T>>> => {
    const target = typeof path === 'string' ? path : path()
    const response = await transport.request<Body>({ method: 'GET', path: target, query: { ...query, cursor }, options, retry: 'always' })
    const { data: body } = response
    const page = new Page(itemsOf(body), body.pagination.next_cursor, body.request_id, (next) => new PagePromise(readPage(next)))
    return { ...response, data: page }
  }
  return new PagePromise(readPage(query?.cursor))
}

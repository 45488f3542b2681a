/** What every call gives: a promise of the answer's body, that can also give the answer. */
import type { ApiResponse } from './transport.ts'

/**
 * A promise of what the server answered.
 *
 * @example
 * const event = await triggers.events.create({ source, event_type, payload })
 * const { data, status, headers, requestId } = await triggers.events.create({ source, event_type, payload }).withResponse()
 */
export class ApiPromise<T> implements Promise<T> {
  readonly [Symbol.toStringTag] = 'ApiPromise'
  readonly #response: Promise<ApiResponse<T>>

  constructor(response: Promise<ApiResponse<T>>) {
    this.#response = response
  }

  /** @internal A call that cannot even be made, for want of an id say, is a rejection too. */
  static from<T>(call: () => Promise<ApiResponse<T>>): ApiPromise<T> {
    return new ApiPromise((async () => call())())
  }

  /** The body with the status, the headers and the request id of its answer. */
  async withResponse(): Promise<ApiResponse<T>> {
    const { data, status, headers, requestId } = await this.#response
    return { data, status, headers, requestId }
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise
  then<Result = T, Failure = never>(
    onFulfilled?: ((value: T) => Result | PromiseLike<Result>) | null,
    onRejected?: ((reason: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<Result | Failure> {
    return this.#response.then(({ data }) => data).then(onFulfilled, onRejected)
  }

  catch<Failure = never>(onRejected?: ((reason: unknown) => Failure | PromiseLike<Failure>) | null): Promise<T | Failure> {
    return this.then(undefined, onRejected)
  }

  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.then().finally(onFinally)
  }
}

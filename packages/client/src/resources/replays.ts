import { ApiPromise } from '../api-promise.ts'
import { type ApiError, ConflictError } from '../errors.ts'
import type { RequestOptions } from '../options.ts'
import { path } from '../path.ts'
import { systemPlatform } from '../platform.ts'
import type { Transport } from '../transport.ts'
import type { SingleReplay } from '../types.ts'

/** How a replay is waited for. */
export interface WaitOptions {
  /** How long to wait between two looks, in milliseconds. Default: 1,000. */
  intervalMs?: number | undefined
  /** Ends the waiting when it is aborted: the call then rejects with the signal's reason. The replay goes on. */
  signal?: AbortSignal | undefined
  /** Told of the replay at each look, the last one too. What it throws ends the waiting. */
  onProgress?: ((replay: SingleReplay) => unknown) | undefined
}

/** Single replays; `webhooks.replay` starts one, and `webhooks.replays` lists them. These calls need the scope `webhooks:manage`. */
export class ReplaysResource {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /**
   * Reads how far a replay is.
   *
   * @example
   * const { status, matched, delivered, dead } = await triggers.replays.get(replayId)
   */
  get(replayId: string, options?: RequestOptions): ApiPromise<SingleReplay> {
    return ApiPromise.from(() => this.#transport.request({ method: 'GET', path: path`/v1/replays/${replayId}`, options, retry: 'always' }))
  }

  /**
   * Ends a replay that runs: what it has not sent yet is cancelled.
   *
   * @throws ConflictError when it had ended before
   * @example
   * await triggers.replays.cancel(replayId)
   */
  cancel(replayId: string, options?: RequestOptions): ApiPromise<SingleReplay> {
    return ApiPromise.from(async () => {
      const response = await this.#transport.request<SingleReplay | undefined>({
        method: 'POST',
        path: path`/v1/replays/${replayId}/cancel`,
        options,
        retry: 'always',
        treatAsDone: doneWhenCancelled,
      })
      // The answer that was lost had the replay, the refusal of the retry has not.
      return response.data === undefined ? this.get(replayId, options).withResponse() : { ...response, data: response.data }
    })
  }

  /**
   * Waits until a replay has ended, however it did: look at its `status`.
   *
   * @example
   * const { replay_id } = await triggers.webhooks.replay(webhookId, { since: '2026-01-01T00:00:00Z', status: 'undelivered' })
   * const { status, delivered, dead } = await triggers.replays.wait(replay_id, {
   *   onProgress: ({ matched, delivered }) => console.log(delivered, 'of', matched),
   * })
   */
  async wait(replayId: string, options: WaitOptions = {}): Promise<SingleReplay> {
    const { intervalMs = 1_000, signal, onProgress } = options
    if (!(intervalMs > 0)) throw new TypeError('intervalMs must be a number of milliseconds, more than 0.')
    for (;;) {
      const replay = await this.get(replayId, { signal })
      await onProgress?.(replay)
      if (replay.status !== 'running') return replay
      await systemPlatform.wait(intervalMs, signal)
    }
  }
}

/** The replay has ended by being cancelled, as by the try whose answer was lost. */
function doneWhenCancelled(error: ApiError): { data: undefined } | undefined {
  return error instanceof ConflictError && error.details['current_status'] === 'cancelled' ? { data: undefined } : undefined
}

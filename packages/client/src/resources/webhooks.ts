import { ApiPromise } from '../api-promise.ts'
import type { RequestOptions } from '../options.ts'
import { type PagePromise, readPages } from '../pagination.ts'
import { path } from '../path.ts'
import type { Transport } from '../transport.ts'
import type {
  Delivery,
  DeliveryQuery,
  Replay,
  ReplayCounted,
  ReplayInput,
  ReplayQuery,
  RotateWebhookSecretInput,
  SingleReplay,
  SingleWebhook,
  Webhook,
  WebhookChanges,
  WebhookCreated,
  WebhookInput,
  WebhookQuery,
  WebhookSecretRotated,
  WebhookTested,
} from '../types.ts'
import { doneWhenGone } from './deleted.ts'
import { deliveriesOf } from './deliveries.ts'

/** The webhooks of the workspace: where its events are sent to. These calls need the scope `webhooks:manage`. */
export class WebhooksResource {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /**
   * Makes a webhook. Where no secret is given, the server makes one, which is in this answer and never again.
   *
   * @example
   * const { webhook_id, secret } = await triggers.webhooks.create({ url: 'https://example.com/hooks', events: ['order.*'] })
   */
  create(webhook: WebhookInput, options?: RequestOptions): ApiPromise<WebhookCreated> {
    return ApiPromise.from(() =>
      this.#transport.request({
        method: 'POST',
        path: '/v1/webhooks',
        body: webhook,
        secrets: secretsIn(webhook),
        options,
        retry: 'not-done-only',
      }),
    )
  }

  /**
   * Lists webhooks, newest first.
   *
   * @example
   * for await (const { url, disabled_reason } of triggers.webhooks.list({ is_active: false })) console.log(url, disabled_reason)
   */
  list(query?: WebhookQuery, options?: RequestOptions): PagePromise<Webhook> {
    return readPages(this.#transport, '/v1/webhooks', query, options, webhooksOf)
  }

  /**
   * Reads one webhook, without its secret.
   *
   * @example
   * const { is_active, disabled_reason } = await triggers.webhooks.get(webhookId)
   */
  get(webhookId: string, options?: RequestOptions): ApiPromise<SingleWebhook> {
    return ApiPromise.from(() =>
      this.#transport.request({ method: 'GET', path: path`/v1/webhooks/${webhookId}`, options, retry: 'always' }),
    )
  }

  /**
   * Changes a webhook: what is left out stays. `is_active: true` switches one on again that was disabled. A `secret` acts at once;
   * `rotateSecret` replaces one without a gap.
   *
   * @example
   * await triggers.webhooks.update(webhookId, { is_active: true })
   */
  update(webhookId: string, changes: WebhookChanges, options?: RequestOptions): ApiPromise<SingleWebhook> {
    return ApiPromise.from(() =>
      this.#transport.request({
        method: 'PUT',
        path: path`/v1/webhooks/${webhookId}`,
        body: changes,
        secrets: secretsIn(changes),
        options,
        // The same values once more change nothing.
        retry: 'always',
      }),
    )
  }

  /**
   * Deletes a webhook. What was to be sent to it is cancelled.
   *
   * @throws NotFoundError when there is none of this id
   * @example
   * await triggers.webhooks.delete(webhookId)
   */
  delete(webhookId: string, options?: RequestOptions): ApiPromise<void> {
    return ApiPromise.from(() =>
      this.#transport.request<void>({
        method: 'DELETE',
        path: path`/v1/webhooks/${webhookId}`,
        options,
        retry: 'always',
        treatAsDone: doneWhenGone,
      }),
    )
  }

  /**
   * Sends an event of type `webhook.test` to the receiver, and says what it answered. That event is in no list and no inbox.
   *
   * @example
   * const { status, message } = await triggers.webhooks.test(webhookId)
   */
  test(webhookId: string, options?: RequestOptions): ApiPromise<WebhookTested> {
    return ApiPromise.from(() =>
      this.#transport.request({ method: 'POST', path: path`/v1/webhooks/${webhookId}/test`, options, retry: 'not-done-only' }),
    )
  }

  /**
   * Gives a webhook a new secret. The former one works for `transition_days` more, in which deliveries are signed with both.
   * When the answer is lost the call fails, and is not tried again, as a second rotation would end the secret that the receiver has.
   *
   * @example
   * const { secret, previous_expires_at } = await triggers.webhooks.rotateSecret(webhookId, { transition_days: 7 })
   */
  rotateSecret(webhookId: string, input: RotateWebhookSecretInput = {}, options?: RequestOptions): ApiPromise<WebhookSecretRotated> {
    return ApiPromise.from(() => {
      const { transition_days, ...body } = input
      return this.#transport.request({
        method: 'POST',
        path: path`/v1/webhooks/${webhookId}/rotate-secret`,
        query: { transition_days },
        body,
        secrets: secretsIn(body),
        options,
        retry: 'not-done-only',
      })
    })
  }

  /**
   * Lists what was, is and will be sent to a webhook, newest first.
   *
   * @example
   * for await (const { delivery_id, attempts } of triggers.webhooks.deliveries(webhookId, { status: 'dead' })) {
   *   console.log(delivery_id, attempts.at(-1)?.response_body)
   * }
   */
  deliveries(webhookId: string, query?: DeliveryQuery, options?: RequestOptions): PagePromise<Delivery> {
    return readPages(this.#transport, () => path`/v1/webhooks/${webhookId}/deliveries`, query, options, deliveriesOf)
  }

  /**
   * Sends events of the past to a webhook, in the background; or, with `dry_run`, only counts them, which reads all of the span: give a
   * long one more time with `timeoutMs`.
   *
   * @example
   * const { matched } = await triggers.webhooks.replay(webhookId, { since: '2026-01-01T00:00:00Z', status: 'undelivered', dry_run: true })
   * const { replay_id } = await triggers.webhooks.replay(webhookId, { since: '2026-01-01T00:00:00Z', status: 'undelivered' })
   */
  replay(webhookId: string, replay: ReplayInput & { dry_run: true }, options?: RequestOptions): ApiPromise<ReplayCounted>
  replay(webhookId: string, replay: ReplayInput & { dry_run?: false | undefined }, options?: RequestOptions): ApiPromise<SingleReplay>
  replay(webhookId: string, replay: ReplayInput, options?: RequestOptions): ApiPromise<SingleReplay | ReplayCounted>
  replay(webhookId: string, replay: ReplayInput, options?: RequestOptions): ApiPromise<SingleReplay | ReplayCounted> {
    return ApiPromise.from(() =>
      this.#transport.request({
        method: 'POST',
        path: path`/v1/webhooks/${webhookId}/replay`,
        body: replay,
        options,
        retry: replay.dry_run === true ? 'always' : 'not-done-only',
      }),
    )
  }

  /**
   * Lists a webhook's replays, newest first.
   *
   * @example
   * const { data } = await triggers.webhooks.replays(webhookId, { limit: 1 })
   */
  replays(webhookId: string, query?: ReplayQuery, options?: RequestOptions): PagePromise<Replay> {
    return readPages(this.#transport, () => path`/v1/webhooks/${webhookId}/replays`, query, options, replaysOf)
  }
}

interface PageEnd {
  pagination: { next_cursor: string | null }
  request_id: string
}

function webhooksOf(body: PageEnd & { webhooks: Webhook[] }): Webhook[] {
  return body.webhooks
}

function replaysOf(body: PageEnd & { replays: Replay[] }): Replay[] {
  return body.replays
}

/** What is sent and must come back in no error: the secret, and the values of the receiver's own headers. */
function secretsIn({ secret, headers }: Pick<WebhookChanges, 'secret' | 'headers'>): string[] {
  // Callers in JavaScript may give anything; to refuse it is the server's part.
  return [secret, ...Object.values(headers ?? {})].filter((value) => typeof value === 'string')
}

import { ApiPromise } from './api-promise.ts'
import { createTransport } from './call.ts'
import type { RequestOptions, TriggersOptions } from './options.ts'
import { ApiKeysResource } from './resources/api-keys.ts'
import { AuditLogResource } from './resources/audit-log.ts'
import { DeliveriesResource } from './resources/deliveries.ts'
import { EventsResource } from './resources/events.ts'
import { InboxResource } from './resources/inbox.ts'
import { ReplaysResource } from './resources/replays.ts'
import { WebhooksResource } from './resources/webhooks.ts'
import { settingsFrom } from './settings.ts'
import type { Transport } from './transport.ts'
import type { Health, Whoami } from './types.ts'

/**
 * The client. It keeps connections open and is made to be shared: one for a program, or one for each API key.
 *
 * @example
 * const triggers = new Triggers({ apiKey: 'trg_…', baseUrl: 'https://events.example.com' })
 * await triggers.events.create({ source: 'shop', event_type: 'order.placed', payload: { order: 1042 } })
 */
export class Triggers {
  /** Where the server is, without `/v1`. */
  readonly baseUrl: string
  readonly events: EventsResource
  readonly inbox: InboxResource
  readonly webhooks: WebhooksResource
  readonly deliveries: DeliveriesResource
  readonly replays: ReplaysResource
  readonly apiKeys: ApiKeysResource
  readonly auditLog: AuditLogResource
  readonly #transport: Transport

  /** @throws TriggersError when an option is missing or wrong */
  constructor(options: TriggersOptions = {}) {
    const settings = settingsFrom(options)
    this.baseUrl = settings.baseUrl
    this.#transport = createTransport(settings)
    this.events = new EventsResource(this.#transport)
    this.inbox = new InboxResource(this.#transport)
    this.webhooks = new WebhooksResource(this.#transport)
    this.deliveries = new DeliveriesResource(this.#transport)
    this.replays = new ReplaysResource(this.#transport)
    this.apiKeys = new ApiKeysResource(this.#transport)
    this.auditLog = new AuditLogResource(this.#transport)
  }

  /**
   * Whose the API key is, and what it may do.
   *
   * @example
   * const { workspace_id, scopes } = await triggers.whoami()
   */
  whoami(options?: RequestOptions): ApiPromise<Whoami> {
    return ApiPromise.from(() => this.#transport.request({ method: 'GET', path: '/v1/whoami', options, retry: 'always' }))
  }

  /**
   * Whether the server runs.
   *
   * @example
   * const { version } = await triggers.health()
   */
  health(options?: RequestOptions): ApiPromise<Health> {
    return ApiPromise.from(() => this.#transport.request({ method: 'GET', path: '/v1/health', options, retry: 'always' }))
  }
}

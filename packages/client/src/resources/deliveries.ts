import { ApiPromise } from '../api-promise.ts'
import type { RequestOptions } from '../options.ts'
import { path } from '../path.ts'
import type { Transport } from '../transport.ts'
import type { Delivery, DeliveryRetried, SingleDelivery } from '../types.ts'

/** Single deliveries; `webhooks.deliveries` and `events.deliveries` list them. These calls need the scope `webhooks:manage`. */
export class DeliveriesResource {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /**
   * Reads one delivery, with all its attempts.
   *
   * @example
   * const { status, next_attempt_at } = await triggers.deliveries.get(deliveryId)
   */
  get(deliveryId: string, options?: RequestOptions): ApiPromise<SingleDelivery> {
    return ApiPromise.from(() =>
      this.#transport.request({ method: 'GET', path: path`/v1/deliveries/${deliveryId}`, options, retry: 'always' }),
    )
  }

  /**
   * Sends a delivery that has ended once more: at once, and then by its whole schedule anew. The receiver sees the same `webhook-id`.
   *
   * @throws ConflictError while the delivery is pending, and when its webhook is not active or its event gone
   * @example
   * for await (const { delivery_id } of triggers.webhooks.deliveries(webhookId, { status: 'dead' })) await triggers.deliveries.retry(delivery_id)
   */
  retry(deliveryId: string, options?: RequestOptions): ApiPromise<DeliveryRetried> {
    return ApiPromise.from(() =>
      // Once more after a lost answer could send again what has been delivered meanwhile.
      this.#transport.request({ method: 'POST', path: path`/v1/deliveries/${deliveryId}/retry`, options, retry: 'not-done-only' }),
    )
  }
}

/** The body of a list of deliveries. */
interface DeliveryPageBody {
  deliveries: Delivery[]
  pagination: { next_cursor: string | null }
  request_id: string
}

/** @internal */
export function deliveriesOf(body: DeliveryPageBody): Delivery[] {
  return body.deliveries
}

import { describe } from 'vitest'
import { ackAndDeleteSuite } from './ack-and-delete.ts'
import { apiKeyListSuite } from './api-key-list.ts'
import { apiKeySuite } from './api-keys.ts'
import { attemptSuite } from './attempts.ts'
import { auditSuite } from './audit.ts'
import { claimSuite } from './claims.ts'
import { createSuite } from './create.ts'
import { dataKeySuite } from './data-keys.ts'
import { deliverySuite } from './deliveries.ts'
import { deliveryEndSuite } from './delivery-ends.ts'
import { deliveryListSuite } from './delivery-list.ts'
import type { StoreHarness } from './harness.ts'
import { idempotencySuite } from './idempotency.ts'
import { listSuite } from './list.ts'
import { movedDeliverySuite } from './moved-deliveries.ts'
import { movedEventSuite } from './moved-events.ts'
import { movedSettingsSuite } from './moved-settings.ts'
import { orderSuite } from './order.ts'
import { outboxSuite } from './outbox.ts'
import { paceSuite } from './paces.ts'
import { replaySuite } from './replays.ts'
import { signatureSuite } from './signatures.ts'
import { webhookEffectSuite } from './webhook-effects.ts'
import { webhookListSuite } from './webhook-list.ts'
import { webhookSuite } from './webhooks.ts'
import { workspaceSuite } from './workspaces.ts'

/**
 * The contract that every store keeps. An adapter's test opens a store and runs this; the suite does not know which one.
 * @param open a fresh store, closed and removed by the caller at the end
 */
export function storeConformance(name: string, open: () => Promise<StoreHarness>): void {
  describe(`${name} keeps the store's contract`, () => {
    createSuite(open)
    idempotencySuite(open)
    ackAndDeleteSuite(open)
    listSuite(open)
    orderSuite(open)
    workspaceSuite(open)
    apiKeySuite(open)
    apiKeyListSuite(open)
    auditSuite(open)
    signatureSuite(open)
    dataKeySuite(open)
    webhookSuite(open)
    webhookEffectSuite(open)
    webhookListSuite(open)
    replaySuite(open)
    outboxSuite(open)
    deliverySuite(open)
    deliveryEndSuite(open)
    claimSuite(open)
    paceSuite(open)
    attemptSuite(open)
    deliveryListSuite(open)
    movedEventSuite(open)
    movedSettingsSuite(open)
    movedDeliverySuite(open)
  })
}

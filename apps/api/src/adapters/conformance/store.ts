import { describe } from 'vitest'
import { ackAndDeleteSuite } from './ack-and-delete.ts'
import { apiKeyListSuite } from './api-key-list.ts'
import { apiKeySuite } from './api-keys.ts'
import { auditSuite } from './audit.ts'
import { createSuite } from './create.ts'
import { dataKeySuite } from './data-keys.ts'
import type { StoreHarness } from './harness.ts'
import { idempotencySuite } from './idempotency.ts'
import { listSuite } from './list.ts'
import { orderSuite } from './order.ts'
import { signatureSuite } from './signatures.ts'
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
  })
}

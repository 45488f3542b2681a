import type { Deps } from '../deps.ts'
import type { EventRecord } from '../ports.ts'
import { newUuid } from '../uuid.ts'
import type { SendResult } from '../webhook-ports.ts'
import { deliveryRequest } from './delivery-request.ts'
import { webhookNotFound } from './webhook-refusals.ts'
import { findWebhook } from './webhooks.ts'

export interface TestResult {
  isSuccess: boolean
  /** Null without an answer. */
  statusCode: number | null
  /** The first 4 kB of the answer, which may say why it is what it is; null without one. */
  responseBody: string | null
  /** For people. */
  message: string
}

/**
 * Sends an event that is stored nowhere, once, signed as any other; to a webhook that is not active, too.
 * @throws ApiError NOT_FOUND
 */
export async function testWebhook(
  deps: Pick<Deps, 'store' | 'webhooks' | 'httpOut' | 'clock'>,
  workspaceId: string,
  webhookId: string,
): Promise<TestResult> {
  const { revision } = await findWebhook(deps, workspaceId, webhookId)
  const webhook = await deps.webhooks.open(webhookId, revision)
  if (webhook === undefined) throw webhookNotFound(webhookId)
  const nowUs = deps.clock.nowUs()
  return resultOf(await deps.httpOut.post(deliveryRequest(webhook, testEvent(webhookId, nowUs), nowUs)))
}

function testEvent(webhookId: string, nowUs: number): EventRecord {
  return {
    eventId: newUuid(nowUs),
    createdAtUs: nowUs,
    source: 'test',
    eventType: 'webhook.test',
    payload: JSON.stringify({ webhook_id: webhookId, message: 'This is a test of your webhook.' }),
    status: 'pending',
    metadata: '{"priority":"normal"}',
    acknowledgedAtUs: null,
  }
}

function resultOf(result: SendResult): TestResult {
  if (result.outcome === 'failed') return { isSuccess: false, statusCode: null, responseBody: null, message: result.message }
  const { statusCode } = result
  const isRedirect = statusCode >= 300 && statusCode < 400
  return {
    isSuccess: statusCode >= 200 && statusCode < 300,
    statusCode,
    responseBody: result.body,
    message: `The receiver answered ${statusCode}${isRedirect ? '; redirects are not followed' : ''}.`,
  }
}

export { ApiPromise } from './api-promise.ts'
export { BatchInputError, type BatchItems, type BatchOptions, type BatchResult } from './batches.ts'
export { Triggers } from './client.ts'
export type { ConsumeErrorContext, ConsumeOptions, Handler, HandlerContext } from './consume.ts'
export {
  ApiError,
  AuthenticationError,
  ConflictError,
  ConnectionError,
  IdempotencyKeyReusedError,
  NotFoundError,
  PayloadTooLargeError,
  PermissionError,
  RateLimitError,
  ServerError,
  SignatureVerificationError,
  TimeoutError,
  TriggersError,
  ValidationError,
} from './errors.ts'
export type { CreateOptions, Logger, RequestInfo, RequestOptions, TriggersOptions } from './options.ts'
export { Page, PagePromise } from './pagination.ts'
export type { ApiKeysResource } from './resources/api-keys.ts'
export type { AuditLogResource } from './resources/audit-log.ts'
export type { DeliveriesResource } from './resources/deliveries.ts'
export type { EventsResource } from './resources/events.ts'
export type { InboxResource } from './resources/inbox.ts'
export type { ReplaysResource, WaitOptions } from './resources/replays.ts'
export type { WebhooksResource } from './resources/webhooks.ts'
export { type RequestToSign, signRequest } from './signing.ts'
export * from './testing.ts'
export type { ApiResponse } from './transport.ts'
export type * from './types.ts'
export type { NodeWebhookRequest } from './webhook-body.ts'
export {
  type NodeWebhookResponse,
  type SeenMessages,
  type TypedWebhookHandlers,
  type WebhookContext,
  type WebhookErrorContext,
  type WebhookEventHandler,
  type WebhookHandler,
  type WebhookHandlerOptions,
  type WebhookHandlers,
  webhookHandler,
} from './webhook-handler.ts'
export {
  MalformedBodyError,
  MalformedSignatureHeaderError,
  MissingSignatureHeaderError,
  NoMatchingSignatureError,
  RawBodyRequiredError,
  StaleTimestampError,
  type VerifyWebhookOptions,
  verifyWebhook,
  type WebhookEvent,
  type WebhookHeaders,
} from './webhooks.ts'

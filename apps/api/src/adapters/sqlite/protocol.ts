import type { AccessStore, AckResult, EventQuery, EventRecord, SaveResult } from '../../ports.ts'
import type { ApiKeyRow, AuditRow } from './access-row.ts'
import type { EventAddress } from './event-id.ts'
import type { EventRow } from './event-row.ts'

/** What a thread needs to start. */
export interface ThreadData {
  path: string
}

/** The moments that a batch is judged by, in microseconds since the epoch. */
export interface BatchTimes {
  nowUs: number
  /** Events created before it have expired. */
  eventsExpiredUs: number
  /** Idempotency keys first used before it are free again. */
  keysExpiredUs: number
}

type Call<Input, Output> = { input: Input; output: Output }

/** An event's place as its address, or null for a UUID that no event of this store can have. */
type Addresses = { workspaceId: string; addresses: (EventAddress | null)[] }

/** What became of an event to store. */
export type Written = [outcome: 'created' | 'replayed', seq: number, tail: string] | [outcome: 'key_reused']

/** A call that the port's method of that name is passed on as. */
type PortCall<Method extends keyof AccessStore> = Call<Parameters<AccessStore[Method]>[0], Awaited<ReturnType<AccessStore[Method]>>>

export interface AccessWriterCalls {
  createWorkspace: Call<{ workspaceId: string; audit: AuditRow }, boolean>
  saveApiKey: Call<{ key: ApiKeyRow; audit: AuditRow | null }, SaveResult>
  recordKeyUse: PortCall<'recordKeyUse'>
  appendAuditEntry: Call<AuditRow, void>
  rememberSignature: Call<{ signature: string; expiresAtUs: number }, boolean>
  dataKey: Call<{ name: string; candidate: Uint8Array }, Uint8Array>
  replaceDataKey: Call<{ name: string; expected: Uint8Array; key: Uint8Array | null }, boolean>
}

export interface WriterCalls extends AccessWriterCalls {
  create: Call<{ workspaceId: string; rows: readonly EventRow[] }, Written[]>
  ack: Call<Addresses, AckResult[]>
  delete: Call<Addresses, null>
  sweep: Call<{ limit: number }, boolean>
  /** Copies what is left of the WAL into the file, behind the commit. */
  finishCheckpoint: Call<null, null>
}

export interface AccessReaderCalls {
  hasWorkspace: PortCall<'hasWorkspace'>
  listWorkspaces: PortCall<'listWorkspaces'>
  getApiKey: PortCall<'getApiKey'>
  findApiKeyByHash: PortCall<'findApiKeyByHash'>
  listApiKeys: PortCall<'listApiKeys'>
  listAuditEntries: PortCall<'listAuditEntries'>
  listDataKeys: PortCall<'listDataKeys'>
}

export interface ReaderCalls extends AccessReaderCalls {
  get: Call<{ workspaceId: string; address: EventAddress }, EventRecord | null>
  list: Call<Omit<EventQuery, 'after'> & { after: number | null }, { events: EventRecord[]; next: number | null }>
}

/** One call as it crosses to the thread. */
export type CallOf<Calls> = { [K in keyof Calls]: { type: K; input: InputOf<Calls, K> } }[keyof Calls]
export type InputOf<Calls, K extends keyof Calls> = Calls[K] extends Call<infer Input, unknown> ? Input : never
export type OutputOf<Calls, K extends keyof Calls> = Calls[K] extends Call<unknown, infer Output> ? Output : never

/** One call's answer: its value, or what kept the thread from it. */
export type Reply = { value: unknown } | { fault: 'storage' | 'program'; message: string }

export interface Batch<Calls> {
  times: BatchTimes
  calls: CallOf<Calls>[]
}

/** The thread's first message: it is ready, or why it cannot be. */
export type Started = { started: true } | { started: false; message: string }

import type { AckResult, EventQuery, EventRecord, NewEvent } from '../../ports.ts'
import type { EventAddress } from './event-id.ts'

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

export type Written = ({ outcome: 'created' | 'replayed' } & EventAddress) | { outcome: 'key_reused' }

export interface WriterCalls {
  create: Call<{ workspaceId: string; events: readonly NewEvent[] }, Written[]>
  ack: Call<Addresses, AckResult[]>
  delete: Call<Addresses, null>
  sweep: Call<{ limit: number }, boolean>
  dataKey: Call<{ name: string; candidate: Uint8Array }, Uint8Array>
}

export interface ReaderCalls {
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

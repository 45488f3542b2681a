/** The calls that the tests make, in whichever language: the same jobs, the same outcomes. */
export type Call =
  | { name: 'health' | 'whoami' }
  | { name: 'create'; event: EventToCreate; idempotencyKey?: string }
  | { name: 'createMany'; events: EventToCreate[]; concurrency?: number }
  /** `finish`: acknowledges, then deletes. */
  | { name: 'get' | 'delete' | 'ack' | 'finish' | 'revokeKey'; id: string }
  | { name: 'deleteMany' | 'ackMany'; ids: string[]; concurrency?: number }
  /** All items of all pages: their ids. */
  | { name: 'events' | 'inbox'; limit?: number; source?: string }
  | { name: 'createKey'; keyName: string }
  /** Ends, gracefully, when `count` events were handled. The handler fails for the events of `failFor`. Gives the ids, as handled. */
  | { name: 'consume'; count: number; concurrency: number; failFor?: string[] }
  | { name: 'verify'; body: string; headers: Record<string, string>; secrets: string[]; nowSeconds: number; allowPlain?: boolean }

export interface EventToCreate {
  source: string
  event_type: string
  payload: object
  metadata?: Record<string, string>
}

export interface Job {
  /** What is left out is left to the client. */
  client: {
    baseUrl?: string
    apiKey?: string
    signingSecret?: string
    maxRetries?: number
    timeoutMs?: number
    totalTimeoutMs?: number
    headers?: Record<string, string>
  }
  environment?: Record<string, string>
  calls: Call[]
  /** How many calls at once. 1 unless told. */
  concurrency?: number
  abortAfterMs?: number
  /** Aborts when the client would wait longer than this for its next try: nobody waits for it. */
  abortAtDelayMs?: number
}

export interface Outcome {
  /** The body as the client gives it; of bulk calls one outcome per item. */
  value?: unknown
  error?: Failure
}

export interface Failure {
  kind: 'api' | 'connection' | 'timeout' | 'aborted' | 'signature' | 'other'
  /** Of TypeScript the class; of Go the sentinel, where there is one. */
  name: string
  status?: number
  code?: string
  requestId?: string
  message: string
}

export interface Done {
  outcomes: Outcome[]
  /** What the client waited for further tries, in the order of the waits. */
  delaysMs: number[]
  /** Everything that printing the client and the errors gives, in every way there is, and what was logged. */
  printed: string
}

/** A client under test. */
export interface Driver {
  language: string
  run(job: Job): Promise<Done>
}

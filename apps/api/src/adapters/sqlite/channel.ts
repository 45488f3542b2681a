import { Worker } from 'node:worker_threads'
import { StoreUnavailableError } from '../../ports.ts'
import { receiveReplies, type SentReplies, sendBatch } from './crossing.ts'
import type { BatchTimes, InputOf, OutputOf, Started, ThreadData } from './protocol.ts'

/** Calls that one batch, and so one commit, carries at the most. */
const MAX_BATCH_CALLS = 256
/** Calls that leave without waiting for the end of the event loop's turn. */
const EARLY_BATCH_CALLS = 64
/** Batches on their way: one in the thread, one behind it, so that it need not wait for the main thread. */
const MAX_UNDER_WAY = 2
const MAX_BATCH_BYTES = 8 * 1024 * 1024
/** Work that may wait for the thread; beyond it callers are told to come back. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024
/** Of a storage thread's heap. V8's own 48 MB hold nothing but garbage longer; with 12 MB, batches grow old in it, and p99 with them. */
const YOUNG_GENERATION_MB = 28
/** What a call weighs beside its strings. */
export const CALL_BYTES = 200

interface Waiting {
  call: [type: string, input: unknown]
  bytes: number
  resolve(value: unknown): void
  reject(error: Error): void
}

/**
 * The main thread's end of a storage thread. Calls that come while a batch is under way form the next one: in the
 * writer they share its commit, without any of them waiting for company.
 */
export class Channel<Calls> {
  readonly #worker: Worker
  readonly #times: () => BatchTimes
  readonly #underWay: Waiting[][] = []
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #flushPlanned = false
  #closed: (() => void) | undefined

  private constructor(worker: Worker, times: () => BatchTimes) {
    this.#worker = worker
    this.#times = times
    worker.on('message', (replies: SentReplies) => this.#settle(replies))
  }

  /**
   * Starts the thread and waits until it is ready.
   * @throws Error with the thread's own words when it cannot start
   */
  static async open<Calls>(script: URL, data: ThreadData, times: () => BatchTimes): Promise<Channel<Calls>> {
    const worker = await startThread(script, data)
    return new Channel<Calls>(worker, times)
  }

  /** @param bytes about what the input weighs, for the bound on waiting work */
  call<K extends keyof Calls & string>(type: K, input: InputOf<Calls, K>, bytes: number): Promise<OutputOf<Calls, K>> {
    if (this.#closed !== undefined) return Promise.reject(new StoreUnavailableError('The store is closing.'))
    if (this.#waitingBytes + bytes > MAX_WAITING_BYTES) {
      return Promise.reject(new StoreUnavailableError('Too much work is waiting for the storage.'))
    }
    return new Promise((resolve, reject) => {
      // The value comes from the thread's handler of this very call, which `ReaderCalls` and `WriterCalls` type.
      const settle = resolve as (value: unknown) => void
      this.#waiting.push({ call: [type, input], bytes, resolve: settle, reject })
      this.#waitingBytes += bytes
      this.#planFlush()
    })
  }

  /** Lets what was asked finish, then ends the thread. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#closed = resolve
      this.#resolveIfIdle()
    })
    await endThread(this.#worker)
  }

  #planFlush(): void {
    // Many calls in one turn: the thread begins with the first while the rest are still being read and checked.
    if (this.#waiting.length >= EARLY_BATCH_CALLS) this.#flush()
    if (this.#flushPlanned || this.#waiting.length === 0 || this.#underWay.length >= MAX_UNDER_WAY) return
    this.#flushPlanned = true
    // After the sockets of this turn of the event loop have been read: their requests share the batch.
    setImmediate(() => {
      this.#flushPlanned = false
      this.#flush()
    })
  }

  #flush(): void {
    while (this.#waiting.length > 0 && this.#underWay.length < MAX_UNDER_WAY) {
      const batch = this.#takeBatch()
      this.#underWay.push(batch)
      const calls = batch.map((waiting) => waiting.call)
      this.#worker.postMessage(sendBatch(this.#times(), calls))
    }
  }

  #takeBatch(): Waiting[] {
    let bytes = 0
    let count = 0
    for (const waiting of this.#waiting) {
      if (count > 0 && (count === MAX_BATCH_CALLS || bytes + waiting.bytes > MAX_BATCH_BYTES)) break
      bytes += waiting.bytes
      count++
    }
    this.#waitingBytes -= bytes
    return this.#waiting.splice(0, count)
  }

  #settle(sent: SentReplies): void {
    const batch = this.#underWay.shift() ?? []
    // The next batch leaves first: the thread works while this one's callers are answered.
    this.#flush()
    const replies = receiveReplies(sent)
    batch.forEach((waiting, index) => {
      const reply = replies[index]
      if (reply === undefined) waiting.reject(new Error('The storage thread gave no answer.'))
      else if ('value' in reply) waiting.resolve(reply.value)
      else if (reply.fault === 'storage') waiting.reject(new StoreUnavailableError(reply.message))
      else waiting.reject(new Error(reply.message))
    })
    this.#resolveIfIdle()
  }

  #resolveIfIdle(): void {
    if (this.#waiting.length === 0 && this.#underWay.length === 0) this.#closed?.()
  }
}

/**
 * Starts a storage thread. One that dies later takes the process with it ('error' has no listener then): what it had
 * under way is unknown, and a restart finds the file as the last commit left it.
 */
export async function startThread(script: URL, data: ThreadData): Promise<Worker> {
  const worker = new Worker(script, { workerData: data, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } })
  const started = await new Promise<Started>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  worker.removeAllListeners('error')
  if (started.started) return worker
  await worker.terminate()
  throw new Error(started.message)
}

/** Lets a storage thread let go of the file, and waits for its end. */
export async function endThread(worker: Worker): Promise<void> {
  const exited = new Promise((resolve) => worker.once('exit', resolve))
  worker.postMessage(null)
  await exited
}

import { parentPort, workerData } from 'node:worker_threads'
import { isStorageFault } from './database.ts'
import type { Batch, CallOf, Reply, SentBatch, SentReply, Started, ThreadData } from './protocol.ts'

/** What a storage thread does: answer each call of a batch, in order; let go of the file at the end. */
export interface ThreadWork<Calls> {
  run(batch: Batch<Calls>): Reply[]
  close(): void
}

/** Runs a storage thread: `open` with what the main thread gave it, batches until the closing `null`. */
export function runThread<Calls>(open: (data: ThreadData) => ThreadWork<Calls>): void {
  const port = parentPort
  if (port === null) throw new Error('This file runs as a worker thread only.')
  const report = (started: Started) => port.postMessage(started)
  let work: ThreadWork<Calls>
  try {
    work = open(workerData)
  } catch (error) {
    report({ started: false, message: messageOf(error) })
    return
  }
  port.on('message', (batch: SentBatch | null) => {
    if (batch !== null) {
      const [times, sent] = batch
      // `Channel` sends calls of these alone.
      const calls = sent.map(([type, input]) => ({ type, input })) as CallOf<Calls>[]
      port.postMessage(work.run({ times, calls }).map(sentReply))
      return
    }
    work.close()
    port.close()
  })
  report({ started: true })
}

function sentReply(reply: Reply): SentReply {
  return 'value' in reply ? [reply.value] : [reply.fault, reply.message]
}

export function faultOf(error: unknown): Reply {
  return { fault: isStorageFault(error) ? 'storage' : 'program', message: messageOf(error) }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

import { parentPort, workerData } from 'node:worker_threads'
import { receiveBatch, type SentBatch, sendReplies } from './crossing.ts'
import { isStorageFault } from './database.ts'
import type { Batch, Reply, Started, ThreadData } from './protocol.ts'

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
  port.on('message', (sent: SentBatch | null) => {
    if (sent !== null) {
      const batch = receiveBatch<Calls>(sent)
      port.postMessage(sendReplies(batch, work.run(batch)))
      return
    }
    work.close()
    port.close()
  })
  report({ started: true })
}

export function faultOf(error: unknown): Reply {
  return { fault: isStorageFault(error) ? 'storage' : 'program', message: messageOf(error) }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/**
 * How a batch and its replies cross to a storage thread and back. Structured clone takes its time for each string, array and name, however short;
 * and new events and their places are nearly all that crosses. So those of a whole batch go as one string, and the lengths that cut it: a third of
 * the time, on both threads.
 */
import type { EventRow } from './event-row.ts'
import type { Batch, BatchTimes, CallOf, InputOf, Reply, WriterCalls, Written } from './protocol.ts'

type Creates = InputOf<WriterCalls, 'create'>

/** A call without its names, which cost more to send than most values; of a packed create the number of its events. */
type SentCall = [type: string, input: unknown] | number
/** Per create its workspace's index; per event its priority, and the lengths of its four texts, which stand one behind the other. */
type PackedCreates = [workspaceIds: string[], numbers: Int32Array, texts: string]
export type SentBatch = [times: BatchTimes, calls: SentCall[], packed: PackedCreates | null]

/** @param calls each with its type and its input */
export function sendBatch(times: BatchTimes, calls: readonly [type: string, input: unknown][]): SentBatch {
  const workspaceIds: string[] = []
  const numbers: number[] = []
  let texts = ''
  const sent = calls.map((call): SentCall => {
    if (call[0] !== 'create') return call
    // `WriterCalls` has one call of that name.
    const { workspaceId, rows } = call[1] as Creates
    if (rows.some(hasKey)) return call
    if (workspaceIds.at(-1) !== workspaceId) workspaceIds.push(workspaceId)
    numbers.push(workspaceIds.length - 1)
    for (const [source, eventType, priority, metadata, payload] of rows) {
      numbers.push(priority, source.length, eventType.length, metadata.length, payload.length)
      texts += source + eventType + metadata + payload
    }
    return rows.length
  })
  return [times, sent, workspaceIds.length === 0 ? null : [workspaceIds, new Int32Array(numbers), texts]]
}

function hasKey([, , , , , idempotencyKey]: EventRow): boolean {
  return idempotencyKey !== null
}

export function receiveBatch<Calls>([times, calls, packed]: SentBatch): Batch<Calls> {
  const [workspaceIds, numbers, texts] = packed ?? [[], [], '']
  let nextNumber = 0
  let nextText = 0
  const cut = (): string => {
    const start = nextText
    nextText += numbers[nextNumber++] ?? 0
    return texts.slice(start, nextText)
  }
  const unpack = (count: number): Creates => {
    const workspaceId = workspaceIds[numbers[nextNumber++] ?? 0] ?? ''
    const rows: EventRow[] = []
    for (let row = 0; row < count; row++) {
      const priority = numbers[nextNumber++] ?? 0
      rows.push([cut(), cut(), priority, cut(), cut(), null, null])
    }
    return { workspaceId, rows }
  }
  const received = calls.map((call) =>
    typeof call === 'number' ? { type: 'create', input: unpack(call) } : { type: call[0], input: call[1] },
  )
  // `Channel` sends calls of these alone.
  return { times, calls: received as CallOf<Calls>[] }
}

/** A reply without its names; of a create that stored all its events their number. */
type SentReply = [value: unknown] | [fault: 'storage' | 'program', message: string] | number
/** The tails are of one length, and stand one behind the other. */
export type SentReplies = [replies: SentReply[], seqs: number[], tails: string]

export function sendReplies<Calls>({ calls }: Batch<Calls>, replies: readonly Reply[]): SentReplies {
  const seqs: number[] = []
  const tails: string[] = []
  const sent = replies.map((reply, index): SentReply => {
    if (!('value' in reply)) return [reply.fault, reply.message]
    if (calls[index]?.type !== 'create') return [reply.value]
    const written = reply.value as Written[]
    if (!written.every(isCreated)) return [written]
    for (const [, seq, tail] of written) {
      seqs.push(seq)
      tails.push(tail)
    }
    return written.length
  })
  return [sent, seqs, tails.join('')]
}

function isCreated(written: Written): written is [outcome: 'created', seq: number, tail: string] {
  return written[0] === 'created'
}

export function receiveReplies([replies, seqs, tails]: SentReplies): Reply[] {
  const tailLength = tails.length / seqs.length
  let next = 0
  const unpack = (count: number): Written[] => {
    const written: Written[] = []
    for (const end = next + count; next < end; next++) {
      written.push(['created', seqs[next] ?? 0, tails.slice(next * tailLength, (next + 1) * tailLength)])
    }
    return written
  }
  return replies.map((reply): Reply => {
    if (typeof reply === 'number') return { value: unpack(reply) }
    return reply.length === 1 ? { value: reply[0] } : { fault: reply[0], message: reply[1] }
  })
}

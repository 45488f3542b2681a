/** A keep-alive HTTP/1.1 connection that does the least a client can: bytes out, one answer's status and body in. */
import { connect } from 'node:net'

/** What became of a request: its answer, or why there is none. The body lies in the connection's own bytes until the next request. */
export type Outcome = { status: number; body: Buffer } | Error

export interface Connection {
  /** One request at a time: the next one from `done` on, which is called once. Callbacks, as a promise would cost more than the parsing. */
  request(bytes: Buffer, done: (outcome: Outcome) => void): void
  /** A request under way fails. */
  destroy(): void
}

/** As much as Node reads at once; a longer answer comes in parts. */
const READ_BYTES = 64 * 1024
const HEAD_END = Buffer.from('\r\n\r\n')
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

export async function openConnection(port: number): Promise<Connection> {
  let done: ((outcome: Outcome) => void) | undefined
  let failure: Error | undefined
  let parts: Buffer[] = []
  let received = 0
  let head: Head | undefined

  const settle = (outcome: Outcome) => {
    const settled = done
    done = undefined
    settled?.(outcome)
  }
  const fail = (error: Error) => {
    failure ??= error
    socket.destroy()
    settle(failure)
  }
  const read = (chunk: Buffer) => {
    received += chunk.length
    head ??= readHead(parts.length === 0 ? chunk : Buffer.concat([...parts, chunk]))
    const isWhole =
      head !== undefined && (head.length === undefined ? chunk.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK) : received >= head.length)
    if (head === undefined || !isWhole) {
      // Its bytes are read into again.
      parts.push(Buffer.from(chunk))
      return
    }
    const bytes = parts.length === 0 ? chunk : Buffer.concat([...parts, chunk])
    const outcome = { status: head.status, body: bytes.subarray(head.end) }
    parts = []
    received = 0
    head = undefined
    settle(outcome)
  }
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  const onread = {
    buffer,
    callback: (count: number) => {
      read(buffer.subarray(0, count))
      return true
    },
  }
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', resolve)
  })
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('The connection was closed.')))
  return {
    request: (bytes, then) => {
      if (failure !== undefined) return then(failure)
      done = then
      socket.write(bytes)
    },
    destroy: () => fail(new Error('The connection was given up.')),
  }
}

interface Head {
  status: number
  /** Where the body begins. */
  end: number
  /** Of the whole answer; undefined when it comes in chunks. */
  length: number | undefined
}

function readHead(bytes: Buffer): Head | undefined {
  const at = bytes.indexOf(HEAD_END)
  if (at < 0) return undefined
  const end = at + HEAD_END.length
  const text = bytes.toString('latin1', 0, at)
  const length = /\ncontent-length: *(\d+)/i.exec(text)?.[1]
  return { status: Number(text.slice(9, 12)), end, length: length === undefined ? undefined : end + Number(length) }
}

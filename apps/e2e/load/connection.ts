/** A keep-alive HTTP/1.1 connection that does the least a client can: bytes out, one answer's status and body in. */
import { connect } from 'node:net'

export interface Answer {
  status: number
  body: Buffer
}

export interface Connection {
  /** One request at a time: the next one after the answer. */
  request(bytes: Buffer): Promise<Answer>
  /** A request under way is rejected. */
  destroy(): void
}

const HEAD_END = Buffer.from('\r\n\r\n')
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

export async function openConnection(port: number): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', resolve)
  })
  let underWay: { resolve(answer: Answer): void; reject(error: Error): void } | undefined
  let failure: Error | undefined
  let parts: Buffer[] = []
  let received = 0
  let head: Head | undefined

  const fail = (error: Error) => {
    failure ??= error
    socket.destroy()
    underWay?.reject(failure)
    underWay = undefined
  }
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('The connection was closed.')))
  socket.on('data', (chunk: Buffer) => {
    parts.push(chunk)
    received += chunk.length
    if (head === undefined) {
      if (parts.length > 1) parts = [Buffer.concat(parts)]
      head = readHead(parts[0] ?? chunk)
      if (head === undefined) return
    }
    const complete = head.length === undefined ? chunk.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK) : received >= head.length
    if (!complete) return
    const bytes = parts.length === 1 ? chunk : Buffer.concat(parts)
    const answer = { status: head.status, body: bytes.subarray(head.end) }
    parts = []
    received = 0
    head = undefined
    underWay?.resolve(answer)
  })
  return {
    request: (bytes) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) return reject(failure)
        underWay = { resolve, reject }
        socket.write(bytes)
      }),
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

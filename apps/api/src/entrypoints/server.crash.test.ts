import { expect, it } from 'vitest'
import { createdEvent, eventsOf } from '../testing/server-events.ts'
import { type ServerProcess, startServer } from '../testing/server-process.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

const ROUNDS = 20
const CLIENTS = 16
/** Answers after which the server is killed, in the middle of the load. */
const ANSWERS = 120

interface Known {
  created: Set<string>
  acknowledged: Set<string>
}

/** Creates and acknowledges, adding to what is known only what was answered, until the server is gone. */
async function loadUntilGone(server: ServerProcess, known: Known, onAnswer: () => void): Promise<void> {
  for (;;) {
    try {
      const eventId = await createdEvent(server, 'crash', { text: 'x'.repeat(300) })
      known.created.add(eventId)
      onAnswer()
      const acknowledged = await server.request(`/v1/events/${eventId}/ack`, { method: 'POST' })
      expect(acknowledged.status).toBe(200)
      await acknowledged.text()
      known.acknowledged.add(eventId)
      onAnswer()
    } catch (error) {
      // What fetch throws when the connection breaks; an assertion goes on.
      if (error instanceof TypeError) return
      throw error
    }
  }
}

it(`keeps all that was answered when it is killed under load, ${ROUNDS} times in a row`, { timeout: 600_000 }, async () => {
  const directory = temporaryDirectory()
  const known: Known = { created: new Set(), acknowledged: new Set() }
  let server = await startServer({ DATA_DIR: directory })
  for (let round = 0; round < ROUNDS; round++) {
    const dying = server
    let answers = 0
    const onAnswer = () => {
      if (++answers === ANSWERS + round) dying.kill('SIGKILL')
    }
    await Promise.all(Array.from({ length: CLIENTS }, () => loadUntilGone(dying, known, onAnswer)))
    expect(await dying.exited).toEqual({ code: null, signal: 'SIGKILL' })

    server = await startServer({ DATA_DIR: directory })
    const events = await eventsOf(server)
    expect([...known.created].filter((id) => !events.has(id))).toEqual([])
    expect([...known.acknowledged].filter((id) => events.get(id)?.status !== 'acknowledged')).toEqual([])
    // What was under way may be there too, unanswered; but no more than one a client and round.
    expect(events.size).toBeLessThanOrEqual(known.created.size + CLIENTS * (round + 1))
    expect(dying.stderr()).toBe('')
  }
  expect(known.created.size).toBeGreaterThanOrEqual((ROUNDS * ANSWERS) / 2)
  expect(known.acknowledged.size).toBeGreaterThan(0)
})

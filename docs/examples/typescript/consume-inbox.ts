/** Handles the inbox's events until it is stopped (Ctrl-C or SIGTERM), and finishes those it is at. */
import { Triggers } from '@triggers/client'

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
process.once('SIGTERM', () => stop.abort())

const triggers = new Triggers()

await triggers.inbox.consume(
  async (event) => {
    // Acknowledged when this returns. When it throws, the event stays in the inbox and comes again.
    console.log(event.event_type, event.payload)
  },
  { concurrency: 4, signal: stop.signal },
)
console.log('stopped')

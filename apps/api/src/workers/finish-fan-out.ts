import { setTimeout as sleep } from 'node:timers/promises'
import type { OutboxEvent } from '../webhook-ports.ts'
import { type FanOutDeps, startFanOut } from './fan-out.ts'

const POLL_MS = 50
const LOOK = { limit: 1000, maxBytes: 4 * 1024 * 1024 }

/**
 * Makes the deliveries of all events that are stored by now, as a server does; one that runs beside it does no harm. Where nobody does, events that
 * were created in the last moment of a server would have no deliveries.
 * @throws StoreUnavailableError
 */
export async function finishFanOut(deps: Omit<FanOutDeps, 'lookAt'>): Promise<void> {
  const { store, webhooks } = deps

  /** What is not fanned out, as far as any webhook may ask for it. */
  async function* waiting(): AsyncGenerator<OutboxEvent> {
    let after: string | undefined
    for (;;) {
      const outbox = await store.readOutbox({ after, interests: webhooks.interests(), ...LOOK })
      if (outbox.webhooksVersion !== webhooks.version) {
        await webhooks.refresh(outbox.webhooksVersion)
        after = undefined
        continue
      }
      yield* outbox.events
      if (!outbox.more) return
      after = outbox.mark
    }
  }

  let untilUs: number | undefined
  for await (const { createdAtUs } of waiting()) untilUs = createdAtUs
  if (untilUs === undefined) return
  const stop = startFanOut({ ...deps, lookAt: () => {} })
  try {
    for (let isBehind = true; isBehind; ) {
      await sleep(POLL_MS)
      const { value: first } = await waiting().next()
      isBehind = first !== undefined && first.createdAtUs <= untilUs
    }
  } finally {
    await stop()
  }
}

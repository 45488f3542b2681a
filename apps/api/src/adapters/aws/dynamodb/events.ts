import type { EventStore } from '../../../ports.ts'
import { createAckEvents } from './ack-events.ts'
import type { DynamoContext } from './context.ts'
import { createCreateEvents } from './create-events.ts'
import { createDeleteEvents } from './delete-events.ts'
import { eventKey, isAlive, readEvents } from './event-item.ts'
import { createListEvents } from './list-events.ts'
import { createUndo } from './undo-writes.ts'

export interface DynamoEventStore extends EventStore {
  /** Calls back after every commit of new events. */
  onCommit(listener: () => void): void
  /** Finishes what was asked. */
  close(): Promise<void>
}

export function createEventStore(context: DynamoContext): DynamoEventStore {
  const { dynamo, workspaces } = context
  const listeners: (() => void)[] = []
  const underWay = new Set<Promise<unknown>>()
  const undo = createUndo(context)

  /** The same, waited for at the end. */
  function finished<Input extends unknown[], Output>(ask: (...input: Input) => Promise<Output>): (...input: Input) => Promise<Output> {
    return (...input) => {
      const asked = ask(...input).finally(() => underWay.delete(asked))
      underWay.add(asked)
      return asked
    }
  }

  return {
    createEvents: finished(
      createCreateEvents(context, undo, () => {
        for (const listener of listeners) listener()
      }),
    ),

    async getEvent(workspaceId, eventId) {
      const workspace = isAlive(context, eventId) ? await workspaces.find(workspaceId) : undefined
      const item = workspace && (await dynamo.get('events', eventKey(workspace, eventId)))
      return workspace && item && (await readEvents(context, workspace, [item])).get(eventId)
    },

    listEvents: createListEvents(context),
    ackEvents: finished(createAckEvents(context)),
    deleteEvents: finished(createDeleteEvents(context)),
    onCommit: (listener) => void listeners.push(listener),

    async close() {
      await Promise.allSettled(underWay)
      await undo.close()
    },
  }
}

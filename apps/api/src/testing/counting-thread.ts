import { runThread } from '../adapters/sqlite/thread.ts'

/** A storage thread that answers each call with the number of its batch and that batch's size. */
runThread(() => {
  let batches = 0
  return {
    run: ({ calls }) => {
      batches++
      return calls.map(() => ({ value: { batch: batches, size: calls.length } }))
    },
    close: () => {},
  }
})

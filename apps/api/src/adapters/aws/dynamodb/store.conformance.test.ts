import type { Store } from '../../../ports.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { FakeClock } from '../../../testing/fake-clock.ts'
import { storeConformance } from '../../conformance/store.ts'

const endpointUrl = dynamodbUrl()
const { open } = testTables(endpointUrl)
storeConformance('DynamoDB', async () => {
  const clock = new FakeClock()
  let isSettled = true
  const opened = async (tablePrefix?: string) => {
    const { store, ...rest } = await open({ clock, ...(tablePrefix !== undefined && { tablePrefix }) })
    const createEvents: Store['createEvents'] = (...event) => {
      isSettled = false
      return store.createEvents(...event)
    }
    const appendAuditEntry: Store['appendAuditEntry'] = (entry) => {
      isSettled = false
      return store.appendAuditEntry(entry)
    }
    return { store: { ...store, createEvents, appendAuditEntry }, ...rest }
  }
  const { store, tablePrefix, settleMs } = await opened()
  return {
    store,
    clock,
    reopen: async () => (await opened(tablePrefix)).store,
    async settle() {
      if (isSettled) return
      // The clock stands still, while the times of what is written rise by microseconds; and the outbox is looked at up to steps of some 100 ms.
      clock.advance({ us: (settleMs + 500) * 1000 })
      isSettled = true
    },
    sweeps: false,
  }
})

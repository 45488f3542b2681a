import type { AccessStore } from '../../../ports.ts'
import type { AccessContext } from './context.ts'
import type { Key } from './notation.ts'

const PARTITION = 'data-keys'

/** The data keys, by name, in one partition. There are few, and they are read at the start alone: each write is a transaction, which is done once however often it is sent. */
export function createDataKeys({ dynamo }: AccessContext): Pick<AccessStore, 'dataKey' | 'listDataKeys' | 'replaceDataKey'> {
  const keyOf = (name: string): Key => ({ pk: PARTITION, sk: name })

  return {
    async dataKey(name, candidate) {
      const found = await dynamo.get('keys', keyOf(name))
      if (found !== undefined) return bytesOf(found['dataKey'])
      const put = { ...keyOf(name), dataKey: candidate }
      const [refused] = (await dynamo.transact([{ table: 'keys', put, condition: 'attribute_not_exists(pk)' }])) ?? []
      return refused?.old === undefined ? candidate : bytesOf(refused.old['dataKey'])
    },

    async listDataKeys() {
      const keys = []
      for await (const { sk, dataKey } of dynamo.queryAll({ table: 'keys', where: 'pk = :pk', values: { pk: PARTITION } })) {
        keys.push({ name: sk, key: bytesOf(dataKey) })
      }
      return keys
    },

    async replaceDataKey(name, expected, key) {
      const isExpected = { condition: 'dataKey = :expected' }
      const refusals = await dynamo.transact([
        key === null
          ? { table: 'keys', remove: keyOf(name), ...isExpected, values: { expected } }
          : { table: 'keys', key: keyOf(name), update: 'SET dataKey = :dataKey', ...isExpected, values: { expected, dataKey: key } },
      ])
      return refusals === undefined
    },
  }
}

function bytesOf(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TypeError('A data key is no bytes.')
  return value
}

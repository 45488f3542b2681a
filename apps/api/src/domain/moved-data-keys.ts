import type { Store } from '../ports.ts'
import type { MovedRecord } from './moved-records.ts'
import { type MasterKey, unwrapDataKey } from './vault.ts'

type Wrapped = readonly MovedRecord<'data_key'>[]

/** Another import of the same file does the same at the same moment: what it has done is there at the next look. */
const LOOKS = 3

/**
 * Makes sure that what is hashed and sealed under another store's data keys is good in this one: it must have the same keys. One without API keys and
 * webhooks takes them over in place of its own, under which nothing is hashed or sealed.
 * @param wrapped as the other store has them
 * @param masterKeys of this one
 * @returns whether keys were taken over: who has the store open must open it again
 * @throws Error in words for the operator, and nothing was changed
 */
export async function adoptDataKeys(store: Store, wrapped: Wrapped, masterKeys: readonly MasterKey[]): Promise<boolean> {
  for (let look = 1; look <= LOOKS; look++) {
    const changes = await missingKeys(store, wrapped, masterKeys)
    if (changes.length === 0) return look > 1
    if (changes.every(({ found }) => found === undefined) || (await isUnused(store))) {
      for (const { name, key, found } of changes) {
        if (found === undefined) await store.dataKey(name, key)
        else await store.replaceDataKey(name, found, key)
      }
    }
  }
  throw new Error(
    'The file was written under other data keys than this database has, which has API keys or webhooks of its own. ' +
      'Import it into a database that has none, or export it without --with-secrets, and rotate the keys.',
  )
}

/** The keys that are not those of this store; `found` is what stands in their place. */
async function missingKeys(store: Store, wrapped: Wrapped, masterKeys: readonly MasterKey[]) {
  const here = await store.listDataKeys()
  return wrapped.flatMap(({ name, key }) => {
    const plain = unwrapDataKey(masterKeys, name, key)
    const found = here.find((known) => known.name === name)?.key
    const isSame = found !== undefined && Buffer.compare(unwrapDataKey(masterKeys, name, found), plain) === 0
    return isSame ? [] : [{ name, key, found }]
  })
}

async function isUnused(store: Store): Promise<boolean> {
  const [{ apiKeys }, { webhooks }] = await Promise.all([store.listApiKeys({ limit: 1 }), store.listWebhooks({ limit: 1 })])
  return apiKeys.length === 0 && webhooks.length === 0
}

import type { Store } from '../ports.ts'

const WRITES: ReadonlySet<string | symbol> = new Set([
  'saveApiKey',
  'saveWebhook',
  'dataKey',
  'replaceDataKey',
  'appendAuditEntry',
  'createWorkspace',
])

/** The store, in which the process dies instead of its n-th write, or right behind it. */
export function dyingStore(store: Store, writes: number, when: 'before' | 'after'): Store {
  let left = writes
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return async (...values: unknown[]) => {
        const isLast = WRITES.has(name) && --left === 0
        if (left < 0 || (isLast && when === 'before')) throw new Error('The process died.')
        const result: unknown = await Reflect.apply(member, target, values)
        if (isLast) throw new Error('The process died.')
        return result
      }
    },
  })
}

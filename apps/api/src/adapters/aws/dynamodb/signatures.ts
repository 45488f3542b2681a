import { randomUUID } from 'node:crypto'
import type { AccessStore } from '../../../ports.ts'
import { type AccessContext, ttlOf } from './context.ts'
import { DynamoError } from './errors.ts'
import { keyText } from './key-text.ts'
import type { WriteResult } from './notation.ts'

const TRIES = 3

/** Signatures that were used: an item for each, until it has expired. */
export function createSignatures({ dynamo, clock }: AccessContext): Pick<AccessStore, 'rememberSignature'> {
  return {
    async rememberSignature(signature, expiresAtUs) {
      // By it a signature is known as ours although the answer was lost.
      const rememberedBy = randomUUID()
      const item = { pk: `signature#${keyText(signature)}`, sk: '-', expiresAtUs, rememberedBy, ttl: ttlOf(expiresAtUs) }
      const remember = (): Promise<WriteResult> =>
        dynamo.put('keys', item, { condition: 'attribute_not_exists(pk) OR expiresAtUs <= :now', values: { now: clock.nowUs() } })
      for (let tries = 1; ; tries++) {
        try {
          const result = await remember()
          return result.isDone || result.old?.['rememberedBy'] === rememberedBy
        } catch (error) {
          if (!(error instanceof DynamoError && error.isUncertain) || tries === TRIES) throw error
        }
      }
    },
  }
}

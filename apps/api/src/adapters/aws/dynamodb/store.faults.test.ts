import { describe, expect, it } from 'vitest'
import {
  brokenOff,
  cancelled,
  type DynamodbCall,
  failsAfterwards,
  failsWith,
  hangs,
  leavesUndone,
  lostAnswer,
  statementsFail,
} from '../../../testing/dynamodb-faults.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import type { FaultRule } from '../../../testing/dynamodb-proxy.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { expectKept, expectWorking, prepare, useEvents } from '../../../testing/event-session.ts'
import { openFaultyStore } from '../../../testing/faulty-store.ts'

faultTests(dynamodbUrl())

const all = () => true
const everySecond = (index: number) => index % 2 === 0

/** DynamoDB says that nothing was done, and does it a moment later. */
const NOT_DONE: [name: string, rules: FaultRule[]][] = [
  ['a throttled table', [{ times: 3, fault: failsWith('ProvisionedThroughputExceededException') }]],
  ['a throttled account', [{ times: 3, fault: failsWith('ThrottlingException') }]],
  [
    'half a batch',
    [
      { operation: /^Batch(Write|Get)Item$/, times: 4, fault: leavesUndone(everySecond) },
      { operation: /^BatchExecuteStatement$/, times: 2, fault: statementsFail('ThrottlingError', everySecond) },
    ],
  ],
  [
    'a whole batch',
    [
      { operation: /^Batch(Write|Get)Item$/, times: 3, fault: leavesUndone(all) },
      { operation: /^BatchExecuteStatement$/, times: 2, fault: statementsFail('ProvisionedThroughputExceeded', all) },
    ],
  ],
  ['conflicting transactions', [{ operation: /^TransactWriteItems$/, times: 3, fault: cancelled('TransactionConflict') }]],
  ['throttled transactions', [{ operation: /^TransactWriteItems$/, times: 3, fault: cancelled('ThrottlingError') }]],
]

/** Nobody knows whether it was done. */
const UNCERTAIN: [name: string, rules: FaultRule[]][] = [
  ['an internal error', [{ times: 3, fault: failsWith('InternalServerError', 500) }]],
  ['an internal error, though it was done', [{ times: 3, fault: failsAfterwards() }]],
  ['a lost answer', [{ times: 3, fault: lostAnswer }]],
  ['a broken connection', [{ times: 3, fault: brokenOff }]],
  [
    'statements that fail, though done',
    [{ operation: /Statement/, times: 3, fault: statementsFail('InternalServerError', everySecond, 'after') }],
  ],
]

/** Until somebody has done something about it. */
const LASTING: [name: string, rules: FaultRule[]][] = [
  ['throttling', [{ fault: failsWith('ProvisionedThroughputExceededException') }]],
  ['internal errors', [{ fault: failsWith('InternalServerError', 500) }]],
  ['lost answers', [{ fault: lostAnswer }]],
  ['expired credentials', [{ fault: failsWith('ExpiredTokenException') }]],
  ['a missing table', [{ fault: failsWith('ResourceNotFoundException') }]],
  [
    'batches that stay undone',
    [
      { operation: /^Batch(Write|Get)Item$/, fault: leavesUndone(all) },
      { operation: /^BatchExecuteStatement$/, fault: statementsFail('ThrottlingError', all) },
      { operation: /^Transact/, fault: cancelled('ThrottlingError') },
      { fault: failsWith('ThrottlingException') },
    ],
  ],
]

function faultTests(endpointUrl: string): void {
  const tables = testTables(endpointUrl)
  const opened = () => openFaultyStore(tables, endpointUrl)

  describe('while DynamoDB fails for a moment', () => {
    it.each(NOT_DONE)('waits for %s', async (_, rules) => {
      const { store, other, proxy, settle } = await opened()
      const before = await prepare(store, settle)
      const running = rules.map((rule) => proxy.rule(rule))
      const during = await useEvents(store, before)
      for (const { hits } of running) expect(hits()).toBeGreaterThan(0)
      expect(during.answers).not.toContain('unavailable')
      settle()
      await expectKept(other, before, during)
    })

    it.each(UNCERTAIN)('%s makes nothing twice, and loses nothing', async (_, rules) => {
      const { store, other, proxy, settle } = await opened()
      const before = await prepare(store, settle)
      const running = rules.map((rule) => proxy.rule(rule))
      const during = await useEvents(store, before)
      for (const { hits } of running) expect(hits()).toBeGreaterThan(0)
      proxy.removeRules()
      settle()
      await expectKept(other, before, during)
    })

    // Each kind of request meets the fault alone.
    it.each(UNCERTAIN.slice(0, 4))('%s of any single request does neither', async (_, [rule]) => {
      const { store, other, proxy, settle } = await opened()
      for (const operation of [
        /^BatchWriteItem$/,
        /^TransactWriteItems$/,
        /^UpdateItem$/,
        /^BatchExecuteStatement$/,
        /^PutItem$/,
        /Get|Query/,
      ]) {
        const before = await prepare(store, settle)
        if (rule !== undefined) proxy.rule({ ...rule, operation, times: 1 })
        const during = await useEvents(store, before)
        proxy.removeRules()
        settle()
        await expectKept(other, before, during)
      }
    })
  })

  describe('while DynamoDB fails for long', () => {
    it.each(LASTING)('%s are answered as unavailable, and all is well after them', async (_, rules) => {
      const { store, other, proxy, settle } = await opened()
      const before = await prepare(store, settle)
      for (const rule of rules) proxy.rule(rule)
      const during = await useEvents(store, before)
      expect(new Set(during.answers)).toEqual(new Set(['unavailable']))
      proxy.removeRules()
      settle()
      await expectKept(other, before, during)
      await expectWorking(store, settle)
    })

    it('what was done before it began stays, or is undone', async () => {
      const { store, other, proxy, settle } = await opened()
      const before = await prepare(store, settle)
      const isLarge = ({ body }: DynamodbCall) => (body.toString().match(/PutRequest/g)?.length ?? 0) > 5
      const half = proxy.rule({ operation: /^BatchWriteItem$/, when: isLarge, times: 1, fault: leavesUndone(everySecond) })
      proxy.rule({ operation: /^BatchExecuteStatement$/, times: 1, fault: statementsFail('ThrottlingError', everySecond) })
      proxy.rule({ operation: /^Batch(Write|Execute)/, fault: failsWith('ThrottlingException') })
      const during = await useEvents(store, before)
      expect(half.hits()).toBe(1)
      expect(during.answers).toContain('unavailable')
      proxy.removeRules()
      settle()
      await expectKept(other, before, during)
    })

    it.each(['carried out', 'dropped'] as const)('requests without an answer do, though they are %s at last', async (how) => {
      const { store, other, proxy, settle } = await opened()
      const before = await prepare(store, settle)
      const hang = hangs()
      proxy.rule({ fault: hang.fault })
      const during = await useEvents(store, before)
      expect(new Set(during.answers)).toEqual(new Set(['unavailable']))
      proxy.removeRules()
      await hang.release(how)
      settle()
      await expectKept(other, before, during)
      await expectWorking(store, settle)
    })

    it('a DynamoDB that is away does, too', async () => {
      const { store, other, proxy, settle } = await opened()
      const before = await prepare(store, settle)
      await proxy.pause()
      const during = await useEvents(store, before)
      expect(new Set(during.answers)).toEqual(new Set(['unavailable']))
      await proxy.resume()
      settle()
      await expectKept(other, before, during)
      await expectWorking(store, settle)
    })
  })
}

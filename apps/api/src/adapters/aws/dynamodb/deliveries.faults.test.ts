import { describe, expect, it } from 'vitest'
import type { Store } from '../../../ports.ts'
import {
  brokenOff,
  cancelled,
  failsAfterwards,
  failsWith,
  leavesUndone,
  lostAnswer,
  statementsFail,
} from '../../../testing/dynamodb-faults.ts'
import { dynamodbUrl } from '../../../testing/dynamodb-local.ts'
import type { FaultRule } from '../../../testing/dynamodb-proxy.ts'
import { testTables } from '../../../testing/dynamodb-tables.ts'
import { attempt, type FaultyStore, openFaultyStore } from '../../../testing/faulty-store.ts'
import type { ClaimedDelivery, DeliveryRecord, StoredWebhook } from '../../../webhook-ports.ts'
import { claimQuery, failure, outcome } from '../../conformance/delivery-harness.ts'
import { createdIds, newAuditEntry, newDelivery, newEvent, newReplay, savedWebhook } from '../../conformance/harness.ts'

deliveryFaultTests(dynamodbUrl())

const EVENTS = 24
const WORKERS = 3

const everySecond = (index: number) => index % 2 === 0

/** Each hits many of all requests, at random. */
const FAULTS: [name: string, rules: FaultRule[]][] = [
  ['throttling', [{ probability: 0.3, fault: failsWith('ProvisionedThroughputExceededException') }]],
  [
    'parts of batches undone',
    [
      { operation: /^BatchGetItem$/, probability: 0.5, fault: leavesUndone(everySecond) },
      { operation: /^BatchExecuteStatement$/, probability: 0.5, fault: statementsFail('ThrottlingError', everySecond) },
    ],
  ],
  ['conflicting transactions', [{ operation: /^TransactWriteItems$/, probability: 0.5, fault: cancelled('TransactionConflict') }]],
  ['internal errors', [{ probability: 0.2, fault: failsWith('InternalServerError', 500) }]],
  ['internal errors, though done', [{ probability: 0.2, fault: failsAfterwards() }]],
  [
    'statements that fail, though done',
    [{ operation: /Statement/, probability: 0.5, fault: statementsFail('InternalServerError', everySecond, 'after') }],
  ],
  ['lost answers', [{ probability: 0.2, fault: lostAnswer }]],
  ['broken connections', [{ probability: 0.2, fault: brokenOff }]],
]

function deliveryFaultTests(endpointUrl: string): void {
  const tables = testTables(endpointUrl)

  describe('deliveries', () => {
    it.each(FAULTS)('are made once, held by one, and recorded once, through %s', async (_, rules) => {
      const harness = await openFaultyStore(tables, endpointUrl)
      const { store, twin, other, proxy, clock, settle } = harness
      const webhook = await savedWebhook(other)
      const { workspaceId } = webhook
      const eventIds = await createdIds(
        other,
        workspaceId,
        Array.from({ length: EVENTS }, () => newEvent()),
      )
      settle()
      // The outbox is read in steps.
      clock.advance({ seconds: 1 })
      const running = rules.map((rule) => proxy.rule(rule))
      await Promise.all([fanOutAll(store, webhook), fanOutAll(twin, webhook)])
      settle()
      expect((await deliveriesOf(other, webhook)).map(({ eventId }) => eventId).toSorted()).toEqual(eventIds.toSorted())

      const toFail = new Set(eventIds.filter((__, index) => index % 3 === 0))
      await deliverAll(harness, webhook, null, toFail)
      for (const { hits } of running) expect(hits()).toBeGreaterThan(0)
      proxy.removeRules()
      const delivered = await deliveriesOf(other, webhook)
      expect(delivered.map(seenOf)).toEqual(delivered.map(({ eventId }) => expectedOf(toFail.has(eventId))))
      const { deliveries, nextAtUs } = await store.claimDeliveries(claimQuery({ ...harness, ...notUsed }, webhook))
      expect({ deliveries, nextAtUs }).toEqual({ deliveries: [], nextAtUs: null })
      expect(await other.getWebhook(webhook.webhookId)).toMatchObject({ failingSinceUs: null })
    })

    it.each(FAULTS)('of a replay are counted once, through %s', async (_, rules) => {
      const harness = await openFaultyStore(tables, endpointUrl)
      const { store, other, proxy } = harness
      const webhook = await savedWebhook(other)
      const eventIds = await createdIds(
        other,
        webhook.workspaceId,
        Array.from({ length: EVENTS }, () => newEvent()),
      )
      const replay = newReplay(webhook)
      const { replayId } = replay
      for (const rule of rules) proxy.rule(rule)
      await untilDone(async () => {
        // Its own id tells a replay that is there already.
        if ((await other.getReplay(replayId)) === undefined) await store.createReplay(replay, newAuditEntry(webhook.workspaceId))
      })
      const half = EVENTS / 2
      for (const [from, to, part] of [
        [null, 'half', eventIds.slice(0, half)],
        ['half', 'end', eventIds.slice(half)],
      ] as const) {
        const deliveries = part.map((eventId) => newDelivery(webhook, { eventId, replayId }))
        await untilDone(async () => {
          if ((await other.getReplay(replayId))?.position !== from) return
          await store.advanceReplay({ replayId, from, to, matched: part.length, deliveries, isWalked: to === 'end' })
        })
      }
      const toFail = new Set(eventIds.filter((__, index) => index % 3 === 0))
      await deliverAll(harness, webhook, replayId, toFail)
      proxy.removeRules()
      expect((await deliveriesOf(other, webhook)).map(({ eventId }) => eventId).toSorted()).toEqual(eventIds.toSorted())
      expect(await other.getReplay(replayId)).toMatchObject({
        ...{ status: 'completed', matched: EVENTS, enqueued: EVENTS, delivered: EVENTS, dead: 0, cancelled: 0 },
      })
    })
  })
}

/** What the helpers of the suite ask of a harness, and do not use here. */
const notUsed = { reopen: () => Promise.reject(new Error('not used')), settle: () => Promise.resolve() }

async function untilDone(act: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; (await attempt(async () => await act())) === 'unavailable'; tries++) expect(tries).toBeLessThan(50)
}

/** As the domain does: whatever fails is begun anew at the stored mark. */
async function fanOutAll(store: Store, { webhookId, workspaceId }: StoredWebhook): Promise<void> {
  const interests = new Map([[workspaceId, ['']]])
  let isEnd = false
  for (let tries = 0; !isEnd; tries++) {
    expect(tries).toBeLessThan(200)
    await attempt(async () => {
      const { stored, mark, events, more } = await store.readOutbox({ limit: 10, maxBytes: 1e6, interests })
      const deliveries = events.map(({ eventId }) => newDelivery({ webhookId }, { eventId }))
      // Else another one was faster, with the same.
      if (mark !== stored) await store.fanOut({ from: stored, to: mark, deliveries })
      isEnd = events.length === 0 && !more
    })
  }
}

/** Several workers of two servers, until nothing is left; the first attempt at some fails. */
async function deliverAll(
  harness: FaultyStore,
  webhook: StoredWebhook,
  replayId: string | null,
  toFail: ReadonlySet<string>,
): Promise<void> {
  const { store, twin, clock } = harness
  /** Until when each is held, by whom a claim was answered. */
  const held = new Map<string, number>()
  const suite = { ...harness, ...notUsed }

  async function record(server: Store, claimed: ClaimedDelivery, heldUntilUs: number): Promise<void> {
    const isFailure = claimed.attemptCount === 0 && toFail.has(claimed.event.eventId)
    const made = isFailure ? failure(suite, claimed, { heldUntilUs }) : outcome(suite, claimed, { heldUntilUs })
    for (let tries = 0; tries < 10; tries++) {
      const results = await attempt(() => server.recordAttempts([made]))
      if (results === 'unavailable') continue
      expect(results[0]?.outcome).toBe('recorded')
      held.delete(claimed.deliveryId)
      return
    }
  }

  /** @returns when there is more */
  async function work(server: Store): Promise<number | null> {
    for (;;) {
      const query = claimQuery(suite, webhook, { limit: 4, replayId })
      const claim = await attempt(() => server.claimDeliveries(query))
      if (claim === 'unavailable') continue
      for (const { deliveryId } of claim.deliveries) {
        expect(held.get(deliveryId) ?? 0).toBeLessThanOrEqual(clock.nowUs())
        held.set(deliveryId, query.heldUntilUs)
      }
      await Promise.all(claim.deliveries.map((claimed) => record(server, claimed, query.heldUntilUs)))
      if (claim.deliveries.length === 0 && (claim.nextAtUs === null || claim.nextAtUs > clock.nowUs())) return claim.nextAtUs
    }
  }

  for (let rounds = 0; ; rounds++) {
    expect(rounds).toBeLessThan(50)
    const servers = Array.from({ length: WORKERS }, (_, index) => (index === 0 ? twin : store))
    const next = (await Promise.all(servers.map(work))).filter((us) => us !== null)
    if (next.length === 0) return
    // Retries come due, and claims whose answers were lost end.
    clock.advance({ us: Math.max(1, Math.min(...next) - clock.nowUs()) })
  }
}

async function deliveriesOf(store: Store, { workspaceId, webhookId }: StoredWebhook): Promise<DeliveryRecord[]> {
  const { deliveries, next } = await store.listDeliveries({ workspaceId, webhookId, limit: 1000, maxBytes: 1e7 })
  expect(next).toBeNull()
  return deliveries
}

const seenOf = ({ status, attemptCount, attempts }: DeliveryRecord) => ({
  status,
  attemptCount,
  codes: attempts.map(({ statusCode }) => statusCode),
})
const expectedOf = (isFailed: boolean) => ({ status: 'delivered', attemptCount: isFailed ? 2 : 1, codes: isFailed ? [500, 200] : [200] })

import { setTimeout as sleep } from 'node:timers/promises'
import type { AckResult, EventStore } from '../../../ports.ts'
import { jitter } from './connection.ts'
import type { DynamoContext } from './context.ts'
import { type DynamoError, mayPass } from './errors.ts'
import { eventKey, isAlive, stateOf } from './event-item.ts'
import { timeOf } from './ids.ts'
import type { Item, Statement } from './notation.ts'
import type { Workspace } from './workspaces.ts'

const CALL_MS = 5000

interface Ack {
  workspace: Workspace
  eventId: string
  ackedAtUs: number
}

export function createAckEvents(context: DynamoContext): EventStore['ackEvents'] {
  return async (workspaceId, eventIds) => {
    const workspace = await context.workspaces.find(workspaceId)
    if (workspace === undefined) return eventIds.map(() => ({ outcome: 'not_found' }))
    // A time that no other call of this process has, so that an answer that was lost is known again by it.
    const nowUs = context.commitClock.next()
    const alive = [...new Set(eventIds)].filter((eventId) => isAlive(context, eventId))
    const acks = alive.map((eventId): Ack => ({ workspace, eventId, ackedAtUs: Math.max(nowUs, timeOf(eventId) ?? 0) }))
    const [first] = acks
    const results = first !== undefined && acks.length === 1 ? [await ackOne(context, first)] : await ackMany(context, acks)
    const byId = new Map(alive.map((eventId, index) => [eventId, results[index]]))
    return eventIds.map((eventId, index) => {
      const result = byId.get(eventId) ?? { outcome: 'not_found' }
      const isRepeated = eventIds.indexOf(eventId) < index
      return isRepeated && result.outcome === 'acknowledged' ? { ...result, outcome: 'already_acknowledged' } : result
    })
  }
}

async function ackOne({ dynamo, indexes }: DynamoContext, { workspace, eventId, ackedAtUs }: Ack): Promise<AckResult> {
  let isUncertain = false
  const hasState = indexes.all.length > 0
  const written = await dynamo.update(
    'events',
    eventKey(workspace, eventId),
    {
      update: hasState ? 'SET ackedAtUs = :ackedAtUs, #state = :state REMOVE pending' : 'SET ackedAtUs = :ackedAtUs REMOVE pending',
      condition: 'attribute_exists(pending)',
      ...(hasState && { names: { state: 'state' } }),
      values: { ackedAtUs, ...(hasState && { state: stateOf('acknowledged', eventId) }) },
      isSilent: true,
    },
    true,
    {
      onUncertain: () => {
        isUncertain = true
      },
    },
  )
  return written.isDone
    ? { outcome: 'acknowledged', acknowledgedAtUs: ackedAtUs }
    : refused(written.old, isUncertain ? ackedAtUs : undefined)
}

/** What a refused ack means. @param oursUs what this call may have written in an earlier try */
function refused(old: Item | undefined, oursUs: number | undefined): AckResult {
  const acknowledgedAtUs: number | undefined = old?.['ackedAtUs']
  if (acknowledgedAtUs === undefined) return { outcome: 'not_found' }
  return { outcome: acknowledgedAtUs === oursUs ? 'acknowledged' : 'already_acknowledged', acknowledgedAtUs }
}

/** Each on its own, in few calls. @throws the reason, when nothing is known of any */
async function ackMany(context: DynamoContext, acks: readonly Ack[]): Promise<AckResult[]> {
  const results = new Map<Ack, AckResult>()
  const uncertain = new Set<Ack>()
  let failure: DynamoError | undefined
  let left = acks
  const endMs = performance.now() + CALL_MS
  for (let tries = 1; left.length > 0; tries++) {
    const written = await context.dynamo.execute(left.map((ack) => statementOf(context, ack)))
    for (const [index, ack] of left.entries()) {
      const one = written[index]
      if (one?.outcome === 'done') results.set(ack, { outcome: 'acknowledged', acknowledgedAtUs: ack.ackedAtUs })
      else if (one?.outcome === 'refused') results.set(ack, refused(one.old, uncertain.has(ack) ? ack.ackedAtUs : undefined))
      else {
        failure = one?.error
        if (one?.error.isUncertain) uncertain.add(ack)
      }
    }
    left = left.filter((ack) => !results.has(ack))
    const waitMs = jitter(tries)
    if (performance.now() + waitMs >= endMs || (failure !== undefined && !mayPass(failure))) break
    if (left.length > 0) await sleep(waitMs)
  }
  if (acks.length > 0 && results.size === 0) throw failure
  return acks.map((ack) => results.get(ack) ?? { outcome: 'unavailable' })
}

function statementOf({ indexes }: DynamoContext, { workspace, eventId, ackedAtUs }: Ack): Statement {
  const { pk, sk } = eventKey(workspace, eventId)
  const hasState = indexes.all.length > 0
  return {
    table: 'events',
    text: `UPDATE $table SET ackedAtUs = ? ${hasState ? 'SET "state" = ?' : ''} REMOVE pending WHERE pk = ? AND sk = ? AND pending = ?`,
    parameters: [ackedAtUs, ...(hasState ? [stateOf('acknowledged', eventId)] : []), pk, sk, pk],
  }
}

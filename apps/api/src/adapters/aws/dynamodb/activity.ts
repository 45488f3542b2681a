import { mapAtOnce } from './at-once.ts'
import { type DynamoContext, ttlOf } from './context.ts'
import { DynamoError } from './errors.ts'
import { spreadOfText } from './ids.ts'

const MINUTE_US = 60e6
const HOUR_US = 60 * MINUTE_US
/** Of a shorter range each minute is looked at. */
const SHORT_US = 10 * MINUTE_US
/** How many minutes and hours a process remembers, each with its workspaces. */
const MAX_KNOWN = 6
const QUERIES_AT_ONCE = 16

/** So far into a minute the next one is announced at the earliest. */
const AHEAD_US = MINUTE_US / 2
/** Spread over 20 seconds, or all workspaces would write to one partition at the same moment. */
const aheadUs = (workspaceId: string): number => AHEAD_US + (spreadOfText(workspaceId) / 256) * (MINUTE_US / 3)

const minutePartition = (us: number): string => `active#${Math.floor(us / MINUTE_US)}`
const hourPartition = (us: number): string => `active-hour#${Math.floor(us / HOUR_US)}`

/**
 * Who looks for new events of all workspaces looks where some are: each process announces a workspace once a minute, before its first event of
 * that minute is written. Hours are announced, too, so that a long quiet time is passed over in few steps.
 */
export type Activity = ReturnType<typeof createActivity>

export function createActivity(context: DynamoContext) {
  /** What this process announced, by partition, the oldest first. One that is forgotten is announced again, which does no harm. */
  const announced = new Map<string, Set<string>>()
  const underWay = new Map<string, Promise<void>>()

  const isKnown = (partition: string, workspaceId: string): boolean => announced.get(partition)?.has(workspaceId) ?? false

  function remember(partition: string, workspaceId: string): void {
    const known = announced.get(partition) ?? new Set()
    // Moved to the end: an hour is in use for longer than its minutes.
    announced.delete(partition)
    announced.set(partition, known.add(workspaceId))
    const [oldest] = announced.keys()
    if (announced.size > MAX_KNOWN && oldest !== undefined) announced.delete(oldest)
  }

  async function write(workspaceId: string, us: number): Promise<void> {
    const ttl = ttlOf(us + context.eventTtlUs)
    const partitions = [hourPartition(us), minutePartition(us)]
    const writes = partitions.filter((pk) => !isKnown(pk, workspaceId)).map((pk) => ({ put: { pk, sk: workspaceId, ttl } }))
    const areDone = await context.dynamo.batchWrite('webhooks', writes)
    if (areDone.includes(false)) throw new DynamoError('Throttled', 'DynamoDB: too many requests (unprocessed items).')
    for (const partition of partitions) remember(partition, workspaceId)
  }

  /** Whoever announces the same meanwhile waits for the same write. */
  async function writeOnce(workspaceId: string, us: number): Promise<void> {
    const name = `${minutePartition(us)} ${workspaceId}`
    const writing = underWay.get(name) ?? write(workspaceId, us).finally(() => underWay.delete(name))
    underWay.set(name, writing)
    await writing
  }

  /** Whether events of that time may be written. Late in a minute, the next one is announced in the background. */
  function isAnnounced(workspaceId: string, us: number): boolean {
    const intoUs = us % MINUTE_US
    if (intoUs >= AHEAD_US && !isKnown(minutePartition(us + MINUTE_US), workspaceId) && intoUs >= aheadUs(workspaceId)) {
      // When it fails, the first event of that minute tries again.
      writeOnce(workspaceId, us + MINUTE_US).catch(() => undefined)
    }
    return isKnown(minutePartition(us), workspaceId)
  }

  return {
    isAnnounced,

    /** Resolves when events of that time may be written. */
    async announce(workspaceId: string, us: number): Promise<void> {
      if (!isAnnounced(workspaceId, us)) await writeOnce(workspaceId, us)
    },
  }
}

/** The workspaces that may have events of that time, both ends inclusive: all that have some, and perhaps others. */
export async function activeWorkspaces(context: DynamoContext, fromUs: number, toUs: number): Promise<Set<string>> {
  const minutes = toUs - fromUs < SHORT_US ? startsOf(MINUTE_US, fromUs, toUs) : await busyMinutes(context, fromUs, toUs)
  const inMinutes = await membersOf(context, minutes.map(minutePartition))
  return new Set(inMinutes.flat())
}

/** The minutes of those hours that have any workspaces. */
async function busyMinutes(context: DynamoContext, fromUs: number, toUs: number): Promise<number[]> {
  const hours = startsOf(HOUR_US, fromUs, toUs)
  const members = await membersOf(context, hours.map(hourPartition))
  return hours
    .filter((_, index) => (members[index]?.length ?? 0) > 0)
    .flatMap((us) => startsOf(MINUTE_US, Math.max(fromUs, us), Math.min(toUs, us + HOUR_US - 1)))
}

/** The beginnings of the hours or minutes that a range touches. */
function startsOf(unitUs: number, fromUs: number, toUs: number): number[] {
  const first = Math.floor(fromUs / unitUs)
  return Array.from({ length: Math.max(0, Math.floor(toUs / unitUs) - first + 1) }, (_, index) => (first + index) * unitUs)
}

/** The workspaces of each partition, in its place. */
function membersOf({ dynamo }: DynamoContext, partitions: readonly string[]): Promise<string[][]> {
  return mapAtOnce(partitions, QUERIES_AT_ONCE, async (partition) => {
    const members: string[] = []
    const query = { table: 'webhooks' as const, where: 'pk = :pk', values: { pk: partition }, attributes: 'pk, sk' }
    for await (const { sk } of dynamo.queryAll(query)) members.push(sk)
    return members
  })
}

import { type Bench, loadRow, middle, type Row } from '../context.ts'
import type { DynamodbUrls } from '../dynamodb-process.ts'
import type { Running } from '../processes.ts'
import { at, createPlan, heatUp } from './creates.ts'
import { counts, dynamodbEnvironment } from './dynamodb-counts.ts'

const TIMED = 'creates on DynamoDB'
/** A well-known implementation of the same contract on DynamoDB: what it asks for a create, and reaches on such a machine. Stated, not measured. */
const KNOWN = { dynamodbRequests: 7, writeUnits: 5, serverCpuUs: 9000, requestsPerSecond: 130 }

/** What the store on DynamoDB asks of it, counted by a proxy; then its creates without the proxy, beside those of the embedded store. */
export async function dynamodb(bench: Bench): Promise<void> {
  const isThere = await bench.processes.dynamodb(async (urls, takeCounts) => {
    const { dynamodbRequests, writeUnits, serverCpuUs, requestsPerSecond } = KNOWN
    bench.add({ case: 'dynamodb', name: 'create, by another implementation', figures: { dynamodbRequests, writeUnits } })
    await counts(bench, urls, takeCounts)
    bench.add({ case: TIMED, name: 'another implementation', figures: { requestsPerSecond, serverCpuUs } })
    await creates(bench, urls)
  })
  if (!isThere) bench.add({ case: 'dynamodb', name: 'skipped', figures: {}, invalid: 'needs a JDK and Maven' })
}

async function creates(bench: Bench, urls: DynamodbUrls): Promise<void> {
  const embedded = await bench.processes.startServer(bench.newFolder())
  const kinds: { name: string; server: Running }[] = [{ name: 'embedded', server: embedded }]
  for (const [name, indexes] of [
    ['DynamoDB', 'none'],
    ['DynamoDB, source and event_type indexed', 'source,event_type'],
  ] as const) {
    const environment = dynamodbEnvironment(urls.directUrl, urls, indexes === 'none' ? 'timed' : 'timed-indexed', indexes)
    kinds.push({ name, server: await bench.processes.startServer(bench.newFolder(), environment) })
  }
  for (const { server } of kinds) await heatUp(bench, createPlan(bench, server, 32))
  for (const connections of [1, 128]) {
    const rows = new Map<string, Row[]>()
    for (let round = 0; round < bench.settings.rounds; round++) {
      for (const { name, server } of kinds) {
        const row = loadRow(TIMED, `${name}, ${at(connections)}`, await bench.processes.load(createPlan(bench, server, connections)))
        rows.set(name, [...(rows.get(name) ?? []), row])
      }
    }
    for (const ofKind of rows.values()) bench.add(middle(ofKind))
  }
  for (const { server } of kinds) await server.stop()
}

// Creates the events of a file, one JSON object a line: node bulk-load.mjs events.ndjson
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Triggers } from '@triggers/client'

const triggers = new Triggers()
const [, , path = 'events.ndjson'] = process.argv

// Each line has a metadata.idempotency_key, so that a second run makes no second events.
async function* readEvents() {
  for await (const line of createInterface({ input: createReadStream(path) })) yield JSON.parse(line)
}

// In requests of 25 events at most, four under way at a time, while the file is read.
const results = await triggers.events.createMany(readEvents(), { concurrency: 4 })

// What fails does not hold up the others: each event has a result of its own.
let refused = 0
for (const [index, result] of results.entries()) {
  if (result.ok) continue
  refused++
  console.error(`line ${index + 1}: ${result.error.message}`)
}
console.log(`${results.length - refused} stored, ${refused} refused`)
process.exitCode = refused > 0 ? 1 : 0

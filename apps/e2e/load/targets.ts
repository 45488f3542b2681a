/** What the project set out to reach, as ratios of figures of one run. A missed one is printed, and is no error. */
import { figure, type Row } from './context.ts'

export interface Ratio {
  name: string
  /** Undefined when a figure that it needs was not measured. */
  value?: number
  unit: string
  target: string
  verdict: 'met' | 'missed' | 'invalid' | 'not measured'
}

type Figure = (ofCase: string, name: string, key: string) => number

interface Target {
  name: string
  unit?: string
  bound: '≥' | '≤' | '<'
  limit: number
  value(figure: Figure): number
}

const SINGLE = 'single creates'

const DYNAMODB_TARGETS: Target[] = [
  ...[
    { name: 'create, indexes off', limit: 1 },
    { name: 'create with a key, indexes off', limit: 2 },
    { name: 'bulk create of 25, indexes off', limit: 2 },
    { name: 'ack, indexes off', limit: 1 },
    { name: 'authenticated call', limit: 0.01 },
  ].map(
    ({ name, limit }): Target => ({
      name: `requests to DynamoDB: ${name}`,
      bound: '≤',
      limit,
      value: (of) => of('dynamodb', name, 'dynamodbRequests'),
    }),
  ),
  { name: 'write units: create, indexes off', bound: '≤', limit: 3, value: (of) => of('dynamodb', 'create, indexes off', 'writeUnits') },
  ...(['dynamodbRequests', 'readUnits'] as const).map(
    (key): Target => ({
      name: `inbox page on DynamoDB, ${key === 'readUnits' ? 'read units' : 'requests'}, 5 k / 100 pending`,
      bound: '≤',
      limit: 1.1,
      value: (of) => of('dynamodb', 'page, 5 k', key) / of('dynamodb', 'page, 100', key),
    }),
  ),
  {
    name: 'server CPU per create, DynamoDB / embedded, 128 connections',
    bound: '≤',
    limit: 2,
    value: (of) =>
      of('creates on DynamoDB', 'DynamoDB, 128 connections', 'serverCpuUs') /
      of('creates on DynamoDB', 'embedded, 128 connections', 'serverCpuUs'),
  },
  {
    // Five times what a well-known implementation of the contract reaches on such a machine.
    name: 'creates a second on DynamoDB Local, 128 connections',
    bound: '≥',
    limit: 650,
    value: (of) => of('creates on DynamoDB', 'DynamoDB, 128 connections', 'requestsPerSecond'),
  },
]

const TARGETS: Target[] = [
  {
    name: 'single creates / bare handler, 128 connections',
    bound: '≥',
    limit: 0.5,
    value: (of) => {
      // It is as valid as the bare handler's own figures.
      of('bare handler', '128 connections', 'requestsPerSecond')
      return of(SINGLE, '128 connections', 'ofBare')
    },
  },
  {
    name: 'single create p50 − fsync p50, 1 connection',
    unit: 'ms',
    bound: '≤',
    limit: 2,
    value: (of) => of(SINGLE, '1 connection', 'p50Ms') - of('disk', 'write 4 KiB + fsync', 'p50Ms'),
  },
  { name: 'open loop p99 / p50', bound: '≤', limit: 10, value: (of) => of('open loop', 'half of saturation', 'p99ToP50') },
  {
    name: 'bulk / single creates, events/s, 1 connection',
    bound: '≥',
    limit: 5,
    value: (of) => of('bulk creates', '1 connection', 'eventsPerSecond') / of(SINGLE, '1 connection', 'requestsPerSecond'),
  },
  {
    name: 'bulk, 32 connections / best raw inserts, events/s',
    bound: '≥',
    limit: 0.6,
    value: (of) =>
      of('bulk creates', '32 connections', 'eventsPerSecond') /
      Math.max(...[1, 25, 128, 800].map((batch) => of('raw inserts', `${batch} a commit`, 'eventsPerSecond'))),
  },
  {
    name: 'inbox page p95, 1 M / 1 k pending',
    bound: '≤',
    limit: 1.5,
    value: (of) => of('inbox', 'first page, 1 M', 'p95Ms') / of('inbox', 'first page, 1 k', 'p95Ms'),
  },
  ...['metadata', 'source'].map(
    (filter): Target => ({
      name: `rare ${filter} filter / unfiltered page, p95, 1 M pending`,
      bound: '≤',
      limit: 3,
      value: (of) => of('inbox', `rare ${filter}, 1 M`, 'p95Ms') / of('inbox', 'first page, 1 M', 'p95Ms'),
    }),
  ),
  {
    name: 'server CPU per create, stored key with allowlist and limit / development key',
    bound: '≤',
    limit: 1.1,
    value: (of) => of('access', 'stored key, allowlist, limit', 'serverCpuUs') / of('access', 'development key', 'serverCpuUs'),
  },
  {
    name: 'server CPU per create, signed besides / development key',
    bound: '≤',
    limit: 1.25,
    value: (of) => of('access', '… and signature', 'serverCpuUs') / of('access', 'development key', 'serverCpuUs'),
  },
  {
    name: 'from 201 to the receiver, p50, 200 events/s',
    unit: 'ms',
    bound: '<',
    limit: 25,
    value: (of) => of('webhooks', '1 webhook, 200 events/s', 'p50Ms'),
  },
  {
    name: 'from 201 to the receiver, p99, 200 events/s',
    unit: 'ms',
    bound: '<',
    limit: 250,
    value: (of) => of('webhooks', '1 webhook, 200 events/s', 'p99Ms'),
  },
  {
    name: 'p99 of 40 webhooks beside 10 that hang / that answer',
    bound: '≤',
    limit: 1.5,
    value: (of) => of('webhooks', '50 webhooks, 10 hang', 'p99Ms') / of('webhooks', '50 webhooks', 'p99Ms'),
  },
  {
    name: 'deliveries a second to one receiver',
    bound: '≥',
    limit: 1000,
    value: (of) => of('webhooks', '1 webhook, a backlog', 'deliveriesPerSecond'),
  },
  {
    name: 'single creates with a webhook that nothing matches / without one',
    bound: '≥',
    limit: 0.85,
    value: (of) =>
      of('creates beside webhooks', 'a webhook that nothing matches', 'requestsPerSecond') /
      of('creates beside webhooks', 'no webhook', 'requestsPerSecond'),
  },
  ...DYNAMODB_TARGETS,
  { name: 'resident memory, idle', unit: 'MB', bound: '<', limit: 150, value: (of) => of('memory', 'idle', 'rssMb') },
  {
    name: 'resident memory, 1 M written and read',
    unit: 'MB',
    bound: '<',
    limit: 400,
    value: (of) => Math.max(of('memory', '1 M written', 'rssMb'), of('memory', '1 M read', 'rssMb')),
  },
]

export function ratiosOf(rows: readonly Row[]): Ratio[] {
  const start = rows.find((row) => row.case === 'start')?.name ?? ''
  const targets = [
    ...TARGETS,
    { name: 'pnpm start to the first 201', unit: 's', bound: '<', limit: 2, value: (of) => of('start', start, 'seconds') } satisfies Target,
  ]
  return targets.map((target) => ratioOf(target, rows))
}

function ratioOf({ name, unit = '', bound, limit, value }: Target, rows: readonly Row[]): Ratio {
  let invalid = false
  const reached = value((ofCase, rowName, key) => {
    const row = rows.find((row) => row.case === ofCase && row.name === rowName)
    if (row?.invalid !== undefined || row?.failure !== undefined) invalid = true
    return figure(rows, ofCase, rowName, key) ?? Number.NaN
  })
  const ratio = { name, unit, target: `${bound} ${limit}` }
  if (Number.isNaN(reached)) return { ...ratio, verdict: 'not measured' }
  if (invalid) return { ...ratio, value: reached, verdict: 'invalid' }
  const met = bound === '≥' ? reached >= limit : bound === '≤' ? reached <= limit : reached < limit
  return { ...ratio, value: reached, verdict: met ? 'met' : 'missed' }
}

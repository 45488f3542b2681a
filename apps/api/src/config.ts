import { z } from '@hono/zod-openapi'
import { parseRange } from './domain/ip-address.ts'
import { parseMasterKeys } from './domain/vault.ts'

const port = wholeNumber(0, 65_535)
const milliseconds = wholeNumber(1, 2 ** 31 - 1)

/** Values separated by commas. */
const list = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((value) => value.trim())
      .filter((value) => value !== ''),
  )

/** Fields that the events of DynamoDB have an index by; `none` for none. DynamoDB allows 20 indexes, of which the pending events have one. */
const eventIndexes = z
  .string()
  .default('source,event_type')
  .transform((text) => (text.trim() === 'none' ? [] : [...new Set(text.split(',').map((field) => field.trim()))]))
  .pipe(
    z
      .array(
        z
          .string()
          .regex(
            /^(source|event_type|priority|metadata\.[A-Za-z0-9_.-]{1,64})$/,
            'takes source, event_type, priority, metadata.<key>, or none',
          ),
      )
      .max(19, 'takes at most 19 fields'),
  )

const ranges = list.pipe(
  z.array(z.string().refine((text) => parseRange(text) !== undefined, 'must be addresses or CIDR ranges, such as 10.0.0.0/8')),
)

/** The most that a key may be given, too. */
export const MAX_RATE_PER_MINUTE = 1_000_000_000

const LOOPBACK_HOSTS = ['127.0.0.1', '::1', 'localhost']

/** Every setting, from the environment; an empty value counts as absent. */
const Environment = z.object({
  PORT: port.default(8080),
  HOST: z.string().default('127.0.0.1'),
  DATA_DIR: z.string().default('./data'),
  AUTH_MODE: z.enum(['local', 'keys'], 'must be local or keys').optional(),
  ENCRYPTION_KEY: z
    .string()
    .transform((text, ctx) => {
      try {
        return parseMasterKeys(text)
      } catch (error) {
        ctx.addIssue({
          code: 'custom',
          message: error instanceof Error ? error.message.replace(/^ENCRYPTION_KEY: /, '') : 'cannot be read',
        })
        return z.NEVER
      }
    })
    .optional(),
  RATE_LIMIT_PER_MINUTE: wholeNumber(0, MAX_RATE_PER_MINUTE).default(1000),
  TRUSTED_PROXIES: ranges,
  EVENT_TTL_DAYS: z.coerce
    .number()
    .min(1 / 1440)
    .max(3650)
    .default(7),
  CORS_ORIGINS: list.pipe(
    z.array(
      z
        .url({ protocol: /^https?$/, error: 'must be origins, such as https://example.com', abort: true })
        .refine((origin) => new URL(origin).origin === origin, 'an origin has no path'),
    ),
  ),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  HEADERS_TIMEOUT_MS: milliseconds.default(10_000),
  REQUEST_TIMEOUT_MS: milliseconds.default(30_000),
  SHUTDOWN_TIMEOUT_MS: milliseconds.default(10_000),
  WEBHOOK_ALLOWED_CIDRS: ranges,
  WEBHOOK_ALLOW_HTTP: z.stringbool().optional(),
  WEBHOOK_PROXY_URL: z
    .url({ protocol: /^https?$/, error: 'must be the URL of an HTTP proxy, such as http://proxy.internal:3128' })
    .optional(),
  WEBHOOK_TIMEOUT_MS: wholeNumber(100, 600_000).default(20_000),
  STORE: z.enum(['sqlite', 'dynamodb'], 'must be sqlite or dynamodb').default('sqlite'),
  DYNAMODB_ENDPOINT_URL: z.url({ protocol: /^https?$/, error: 'must be the URL of DynamoDB, such as http://127.0.0.1:8000' }).optional(),
  // A table's name has at most 255 characters, and the longest behind the prefix is `rate-limits`.
  DYNAMODB_TABLE_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,200}$/, 'must be 1 to 200 letters, digits, hyphens, dots or underscores')
    .default('triggers-api-'),
  DYNAMODB_INDEXES: eventIndexes,
  DYNAMODB_SHARDS: wholeNumber(1, 256)
    .refine((count) => Number.isInteger(Math.log2(count)), 'must be a power of two')
    .default(4),
  INBOX_SETTLE_MS: wholeNumber(100, 60_000).default(1000),
  QUEUE: z.enum(['sqlite', 'sqs'], 'must be sqlite or sqs').optional(),
  // SQS takes 80 characters; the queue of dead letters has five more than this one.
  SQS_QUEUE_NAME: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,75}$/, 'must be 1 to 75 letters, digits, hyphens or underscores')
    .default('triggers-api-jobs'),
  SQS_ENDPOINT_URL: z.url({ protocol: /^https?$/, error: 'must be the URL of SQS, such as http://127.0.0.1:9324' }).optional(),
  AWS_REGION: z.string().optional(),
})

function wholeNumber(least: number, most: number) {
  const expected = `must be a whole number from ${least} to ${most}`
  return z.coerce.number(expected).int(expected).min(least, expected).max(most, expected)
}

/** A server on this machine, such as ElasticMQ or DynamoDB Local, asks for neither a region nor credentials; the SDK cannot do without. */
function awsAccess(endpointUrl: string | undefined, region: string | undefined, given: Record<string, string | undefined>) {
  const isLocal = endpointUrl !== undefined && LOOPBACK_HOSTS.includes(new URL(endpointUrl).hostname.replace(/^\[|\]$/g, ''))
  return {
    region: region ?? (isLocal ? 'us-east-1' : undefined),
    madeUpCredentials: isLocal && given['AWS_ACCESS_KEY_ID'] === undefined && given['AWS_PROFILE'] === undefined,
  }
}

/** How to leave the development key behind; one line, as all that a start may end with. */
const HOW_TO_USE_KEYS =
  'Set AUTH_MODE=keys, and ENCRYPTION_KEY to the content of encryption.key in the data directory, or for new data to `main:` and what ' +
  '`openssl rand -base64 32` prints; then make a key with `pnpm admin create-key --workspace default --name first`.'

export type Config = ReturnType<typeof parseConfig>

/** A setting that cannot be; its message is for the operator. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

/**
 * The configuration from an environment.
 * @throws ConfigError that names the variable and what it takes
 */
export function parseConfig(environment: Record<string, string | undefined>) {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ''))
  const parsed = Environment.safeParse(given)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new ConfigError(`Wrong configuration. ${problems.join('; ')}.`)
  }
  const settings = parsed.data
  const isLoopback = LOOPBACK_HOSTS.includes(settings.HOST)
  const isEmbedded = settings.STORE === 'sqlite'
  const authMode = settings.AUTH_MODE ?? (isLoopback && isEmbedded ? 'local' : 'keys')
  if (authMode === 'local' && !isLoopback) {
    throw new ConfigError(`HOST=${settings.HOST} would offer the well-known development key to other machines. ${HOW_TO_USE_KEYS}`)
  }
  if (authMode === 'keys' && settings.ENCRYPTION_KEY === undefined) {
    const why =
      settings.AUTH_MODE === undefined && !isLoopback
        ? `HOST=${settings.HOST} reaches other machines, so the development key is not accepted, and ENCRYPTION_KEY is needed.`
        : `AUTH_MODE=keys${settings.AUTH_MODE === undefined ? ', the default with STORE=dynamodb,' : ''} needs ENCRYPTION_KEY.`
    throw new ConfigError(`${why} ${HOW_TO_USE_KEYS}`)
  }
  const queue = settings.QUEUE ?? (isEmbedded ? 'sqlite' : 'sqs')
  if (queue === 'sqlite' && !isEmbedded) {
    throw new ConfigError('QUEUE=sqlite is a part of the embedded store: with STORE=dynamodb, leave QUEUE out or set it to sqs.')
  }
  return {
    port: settings.PORT,
    host: settings.HOST,
    dataDirectory: settings.DATA_DIR,
    authMode,
    /** The first encrypts, all decrypt; without it there is the key file. */
    masterKeys: settings.ENCRYPTION_KEY,
    rateLimitPerMinute: settings.RATE_LIMIT_PER_MINUTE,
    trustedProxies: settings.TRUSTED_PROXIES,
    eventTtlDays: settings.EVENT_TTL_DAYS,
    corsOrigins: settings.CORS_ORIGINS,
    logLevel: settings.LOG_LEVEL,
    headersTimeoutMs: settings.HEADERS_TIMEOUT_MS,
    requestTimeoutMs: settings.REQUEST_TIMEOUT_MS,
    shutdownTimeoutMs: settings.SHUTDOWN_TIMEOUT_MS,
    webhooks: {
      /** Addresses beside the public ones that deliveries may go to. */
      allowedCidrs: settings.WEBHOOK_ALLOWED_CIDRS,
      allowHttp: settings.WEBHOOK_ALLOW_HTTP ?? authMode === 'local',
      proxyUrl: settings.WEBHOOK_PROXY_URL,
      /** The longest that one attempt may take. */
      timeoutMs: settings.WEBHOOK_TIMEOUT_MS,
    },
    store: settings.STORE,
    dynamodb: {
      tablePrefix: settings.DYNAMODB_TABLE_PREFIX,
      endpointUrl: settings.DYNAMODB_ENDPOINT_URL,
      ...awsAccess(settings.DYNAMODB_ENDPOINT_URL, settings.AWS_REGION, given),
      eventIndexes: settings.DYNAMODB_INDEXES,
      /** Of a new workspace. */
      shards: settings.DYNAMODB_SHARDS,
      settleMs: settings.INBOX_SETTLE_MS,
    },
    queue,
    sqs: {
      queueName: settings.SQS_QUEUE_NAME,
      endpointUrl: settings.SQS_ENDPOINT_URL,
      ...awsAccess(settings.SQS_ENDPOINT_URL, settings.AWS_REGION, given),
    },
  }
}

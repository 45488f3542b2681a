import { z } from '@hono/zod-openapi'

const port = wholeNumber(0, 65_535)
const milliseconds = wholeNumber(1, 2 ** 31 - 1)

const LOOPBACK_HOSTS = ['127.0.0.1', '::1', 'localhost']

/** Every setting, from the environment; an empty value counts as absent. */
const Environment = z.object({
  PORT: port.default(8080),
  HOST: z.string().default('127.0.0.1'),
  DATA_DIR: z.string().default('./data'),
  AUTH_MODE: z.literal('local', 'must be local, or be left out').default('local'),
  EVENT_TTL_DAYS: z.coerce
    .number()
    .min(1 / 1440)
    .max(3650)
    .default(7),
  CORS_ORIGINS: z
    .string()
    .default('')
    .transform((list) =>
      list
        .split(',')
        .map((origin) => origin.trim())
        .filter((origin) => origin !== ''),
    )
    .pipe(
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
})

function wholeNumber(least: number, most: number) {
  const expected = `must be a whole number from ${least} to ${most}`
  return z.coerce.number(expected).int(expected).min(least, expected).max(most, expected)
}

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
  if (settings.AUTH_MODE === 'local' && !LOOPBACK_HOSTS.includes(settings.HOST)) {
    throw new ConfigError(
      `HOST=${settings.HOST} would offer the well-known development key to other machines. ` +
        'Leave HOST out to serve this machine only, and put a reverse proxy that authenticates in front of it.',
    )
  }
  return {
    port: settings.PORT,
    host: settings.HOST,
    dataDirectory: settings.DATA_DIR,
    authMode: settings.AUTH_MODE,
    eventTtlDays: settings.EVENT_TTL_DAYS,
    corsOrigins: settings.CORS_ORIGINS,
    logLevel: settings.LOG_LEVEL,
    headersTimeoutMs: settings.HEADERS_TIMEOUT_MS,
    requestTimeoutMs: settings.REQUEST_TIMEOUT_MS,
    shutdownTimeoutMs: settings.SHUTDOWN_TIMEOUT_MS,
  }
}

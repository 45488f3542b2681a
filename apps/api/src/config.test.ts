import { describe, expect, it } from 'vitest'
import { ConfigError, parseConfig } from './config.ts'

const ENCRYPTION_KEY = `main:${Buffer.alloc(32, 1).toString('base64')}`

describe('the configuration', () => {
  it('has a default for everything', () => {
    expect(parseConfig({})).toMatchObject({
      port: 8080,
      host: '127.0.0.1',
      dataDirectory: './data',
      authMode: 'local',
      eventTtlDays: 7,
      corsOrigins: [],
    })
  })

  it('takes an empty value as absent', () => {
    expect(parseConfig({ PORT: '', HOST: ' ', CORS_ORIGINS: '' })).toEqual(parseConfig({}))
  })

  it('reads what is set', () => {
    const environment = { PORT: '0', HOST: '::1', EVENT_TTL_DAYS: '1.5', CORS_ORIGINS: 'https://a.example, http://b.example:81,' }
    expect(parseConfig(environment)).toMatchObject({
      port: 0,
      host: '::1',
      eventTtlDays: 1.5,
      corsOrigins: ['https://a.example', 'http://b.example:81'],
    })
  })

  it.each(['0.0.0.0', '::', '192.168.1.5', 'example.com', '127.0.0.1.example.com'])(
    'refuses HOST=%s, which would offer the well-known key to other machines, and says what to do',
    (host) => {
      const parse = () => parseConfig({ HOST: host })
      expect(parse).toThrow(ConfigError)
      expect(parse).toThrow(/^HOST=.*development key.*pnpm admin create-key.*\.$/)
      expect(() => parseConfig({ HOST: host, AUTH_MODE: 'local', ENCRYPTION_KEY })).toThrow(
        /^HOST=.*development key.*pnpm admin create-key.*\.$/,
      )
    },
  )

  it('serves other machines with real keys', () => {
    expect(parseConfig({ HOST: '0.0.0.0', ENCRYPTION_KEY })).toMatchObject({ host: '0.0.0.0', authMode: 'keys' })
    expect(parseConfig({ HOST: '127.0.0.1', AUTH_MODE: 'keys', ENCRYPTION_KEY }).authMode).toBe('keys')
  })

  it('refuses AUTH_MODE=keys without an encryption key', () => {
    expect(() => parseConfig({ AUTH_MODE: 'keys' })).toThrow(/^AUTH_MODE=keys needs ENCRYPTION_KEY\..*\.$/)
  })

  it('reads the encryption keys, the newest first', () => {
    const { masterKeys } = parseConfig({ ENCRYPTION_KEY: `${ENCRYPTION_KEY},older:${Buffer.alloc(32, 2).toString('base64')}` })
    expect(masterKeys?.map(({ id, key }) => [id, key[0]])).toEqual([
      ['main', 1],
      ['older', 2],
    ])
  })

  it('reads the limits', () => {
    expect(parseConfig({})).toMatchObject({ rateLimitPerMinute: 1000, trustedProxies: [] })
    expect(parseConfig({ RATE_LIMIT_PER_MINUTE: '0', TRUSTED_PROXIES: '10.0.0.0/8, ::1' })).toMatchObject({
      rateLimitPerMinute: 0,
      trustedProxies: ['10.0.0.0/8', '::1'],
    })
  })

  it.each([
    ['PORT', 'abc'],
    ['PORT', '-1'],
    ['PORT', '65536'],
    ['PORT', '80.5'],
    ['AUTH_MODE', 'none'],
    ['AUTH_MODE', 'LOCAL'],
    ['EVENT_TTL_DAYS', '0'],
    ['EVENT_TTL_DAYS', '-7'],
    ['EVENT_TTL_DAYS', 'week'],
    ['CORS_ORIGINS', '*'],
    ['CORS_ORIGINS', 'app.example.com'],
    ['CORS_ORIGINS', 'https://a.example/path'],
    ['CORS_ORIGINS', 'https://a.example,ftp://b.example'],
    ['LOG_LEVEL', 'loud'],
    ['HEADERS_TIMEOUT_MS', '0'],
    ['REQUEST_TIMEOUT_MS', '1.5'],
    ['SHUTDOWN_TIMEOUT_MS', 'x'],
    ['ENCRYPTION_KEY', 'secret-material'],
    ['ENCRYPTION_KEY', 'main:c2VjcmV0LW1hdGVyaWFs'],
    ['ENCRYPTION_KEY', `${ENCRYPTION_KEY},${ENCRYPTION_KEY}`],
    ['RATE_LIMIT_PER_MINUTE', '-1'],
    ['RATE_LIMIT_PER_MINUTE', '1.5'],
    ['TRUSTED_PROXIES', 'proxy.example'],
    ['TRUSTED_PROXIES', '10.0.0.0/33'],
  ])('refuses %s=%s, and names it', (name, value) => {
    const parse = () => parseConfig({ [name]: value })
    expect(parse).toThrow(ConfigError)
    expect(parse).toThrow(name)
    if (name === 'ENCRYPTION_KEY') expect(parse).not.toThrow(new RegExp(value.replace(/^main:/, '').slice(0, 12)))
  })
})

describe('the configuration of webhooks', () => {
  it('allows http on the own machine alone', () => {
    expect(parseConfig({}).webhooks).toEqual({ allowedCidrs: [], allowHttp: true, proxyUrl: undefined, timeoutMs: 20_000 })
    expect(parseConfig({ AUTH_MODE: 'keys', ENCRYPTION_KEY }).webhooks.allowHttp).toBe(false)
  })

  it('reads what is set', () => {
    const environment = {
      WEBHOOK_ALLOWED_CIDRS: '10.0.0.0/8, fd00::/8',
      WEBHOOK_ALLOW_HTTP: 'false',
      WEBHOOK_PROXY_URL: 'http://proxy.internal:3128',
      WEBHOOK_TIMEOUT_MS: '5000',
    }
    expect(parseConfig(environment).webhooks).toEqual({
      allowedCidrs: ['10.0.0.0/8', 'fd00::/8'],
      allowHttp: false,
      proxyUrl: 'http://proxy.internal:3128',
      timeoutMs: 5000,
    })
  })

  it.each([
    ['WEBHOOK_ALLOWED_CIDRS', 'intranet'],
    ['WEBHOOK_ALLOW_HTTP', 'perhaps'],
    ['WEBHOOK_PROXY_URL', 'socks5://proxy.internal'],
    ['WEBHOOK_TIMEOUT_MS', '0'],
  ])('refuses %s=%s, naming it', (name, value) => {
    expect(() => parseConfig({ [name]: value })).toThrow(new RegExp(`^Wrong configuration. ${name}[:.].*\\.$`))
  })
})

describe('the configuration of the queue', () => {
  it('is the store, and that of AWS as the SDK finds it', () => {
    expect(parseConfig({})).toMatchObject({
      queue: 'sqlite',
      sqs: { queueName: 'triggers-api-jobs', endpointUrl: undefined, region: undefined, madeUpCredentials: false },
    })
    const environment = { QUEUE: 'sqs', SQS_QUEUE_NAME: 'jobs_2', SQS_ENDPOINT_URL: 'https://sqs.internal:1', AWS_REGION: 'eu-west-1' }
    expect(parseConfig(environment)).toMatchObject({
      queue: 'sqs',
      sqs: { queueName: 'jobs_2', endpointUrl: 'https://sqs.internal:1', region: 'eu-west-1', madeUpCredentials: false },
    })
  })

  it.each(['http://127.0.0.1:9324', 'http://localhost:9324', 'http://[::1]:9324'])('asks for no credentials at %s', (url) => {
    expect(parseConfig({ SQS_ENDPOINT_URL: url }).sqs).toMatchObject({ region: 'us-east-1', madeUpCredentials: true })
    expect(parseConfig({ SQS_ENDPOINT_URL: url, AWS_REGION: 'eu-west-1' }).sqs).toMatchObject({ region: 'eu-west-1' })
    for (const own of [{ AWS_ACCESS_KEY_ID: 'a' }, { AWS_PROFILE: 'p' }]) {
      expect(parseConfig({ SQS_ENDPOINT_URL: url, ...own }).sqs).toMatchObject({ madeUpCredentials: false })
    }
  })

  it.each([
    ['QUEUE', 'redis'],
    ['SQS_QUEUE_NAME', 'jobs.fifo'],
    ['SQS_QUEUE_NAME', 'j'.repeat(76)],
    ['SQS_ENDPOINT_URL', 'localhost:9324'],
  ])('refuses %s=%s, naming it', (name, value) => {
    expect(() => parseConfig({ [name]: value })).toThrow(new RegExp(`^Wrong configuration. ${name}[:.].*\\.$`))
  })
})

describe('the configuration of the store', () => {
  const local = { STORE: 'dynamodb', AUTH_MODE: 'local' }

  it('is the embedded one, with its own queue and the development key, unless another is named', () => {
    expect(parseConfig({})).toMatchObject({ store: 'sqlite', queue: 'sqlite', authMode: 'local' })
    expect(parseConfig({ STORE: 'dynamodb', ENCRYPTION_KEY })).toMatchObject({ store: 'dynamodb', queue: 'sqs', authMode: 'keys' })
    expect(parseConfig(local)).toMatchObject({ store: 'dynamodb', queue: 'sqs', authMode: 'local' })
  })

  it('reads what is set for DynamoDB, and has a default for the rest', () => {
    expect(parseConfig(local).dynamodb).toEqual({
      tablePrefix: 'triggers-api-',
      endpointUrl: undefined,
      region: undefined,
      madeUpCredentials: false,
      eventIndexes: ['source', 'event_type'],
      shards: 4,
      settleMs: 1000,
    })
    const environment = {
      ...local,
      DYNAMODB_ENDPOINT_URL: 'http://127.0.0.1:8000',
      DYNAMODB_TABLE_PREFIX: 'prod_2.',
      DYNAMODB_INDEXES: 'priority, metadata.customer_id,priority',
      DYNAMODB_SHARDS: '16',
      INBOX_SETTLE_MS: '2500',
    }
    expect(parseConfig(environment).dynamodb).toEqual({
      tablePrefix: 'prod_2.',
      endpointUrl: 'http://127.0.0.1:8000',
      region: 'us-east-1',
      madeUpCredentials: true,
      eventIndexes: ['priority', 'metadata.customer_id'],
      shards: 16,
      settleMs: 2500,
    })
    expect(parseConfig({ ...local, DYNAMODB_INDEXES: 'none' }).dynamodb.eventIndexes).toEqual([])
  })

  it.each([
    [{ STORE: 'redis' }, /^Wrong configuration\. STORE: must be sqlite or dynamodb\.$/],
    [{ ...local, DYNAMODB_ENDPOINT_URL: 'localhost:8000' }, /DYNAMODB_ENDPOINT_URL: must be the URL/],
    [{ ...local, DYNAMODB_TABLE_PREFIX: 'a/b' }, /DYNAMODB_TABLE_PREFIX: must be/],
    [{ ...local, DYNAMODB_INDEXES: 'payload' }, /DYNAMODB_INDEXES.*takes source/],
    [{ ...local, DYNAMODB_INDEXES: Array.from({ length: 20 }, (_, n) => `metadata.k${n}`).join() }, /DYNAMODB_INDEXES: takes at most 19/],
    [{ ...local, DYNAMODB_SHARDS: '3' }, /DYNAMODB_SHARDS: must be a power of two/],
    [{ ...local, DYNAMODB_SHARDS: '512' }, /DYNAMODB_SHARDS: must be a whole number from 1 to 256/],
    [{ ...local, INBOX_SETTLE_MS: '10' }, /INBOX_SETTLE_MS: must be/],
    [{ ...local, QUEUE: 'sqlite' }, /^QUEUE=sqlite is a part of the embedded store.*\.$/],
    [{ STORE: 'dynamodb' }, /^AUTH_MODE=keys, the default with STORE=dynamodb, needs ENCRYPTION_KEY\./],
  ])('refuses %o', (environment, message) => {
    expect(() => parseConfig(environment)).toThrow(message)
    expect(() => parseConfig(environment)).toThrow(ConfigError)
  })
})

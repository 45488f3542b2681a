import { describe, expect, it } from 'vitest'
import { ConfigError, parseConfig } from './config.ts'

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
      expect(parse).toThrow(/^HOST=.*development key.*\.$/)
    },
  )

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
  ])('refuses %s=%s, and names it', (name, value) => {
    const parse = () => parseConfig({ [name]: value })
    expect(parse).toThrow(ConfigError)
    expect(parse).toThrow(name)
  })
})

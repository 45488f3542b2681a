import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { deliveryRequest } from './domain/delivery-request.ts'
import { parseBody, RawJson } from './domain/json.ts'
import { OWN_TYPES } from './domain/own-events.ts'
import { ErrorSchema } from './errors.ts'
import { openApiDocument } from './openapi.ts'
import { endpoints } from './routes/index.ts'
import { DeliveredEventSchema, OWN_EVENTS, SentHeadersSchema } from './routes/webhooks/sent-schemas.ts'
import { parseAnswer } from './testing/check-answer.ts'
import { eventRecord, storedWebhook } from './testing/webhook-records.ts'

interface Parameter {
  name: string
  in: string
  description?: string
  schema: object
}

interface Content {
  'application/json': { schema: object; example?: unknown; examples?: Record<string, { summary?: string; value: unknown }> }
}

interface Operation {
  operationId: string
  summary?: string
  description?: string
  tags?: string[]
  security?: object[]
  parameters?: Parameter[]
  requestBody?: { required: boolean; content: Content }
  responses: Record<string, { description: string; content: Content }>
}

const SENT_HEADERS = Object.keys(SentHeadersSchema.shape).map((name) => name.toLowerCase())

const FILE = new URL('../openapi.json', import.meta.url)
// As a reader of the file sees it: plain JSON.
const document = JSON.parse(JSON.stringify(openApiDocument()))
const operations: { name: string; operation: Operation }[] = Object.values<Record<string, Operation>>(document.paths)
  .flatMap((methods) => Object.values(methods))
  .map((operation) => ({ name: operation.operationId, operation }))

const endpointOf = (name: string) => {
  const found = endpoints.find(({ route }) => route.operationId === name)
  if (found === undefined) throw new Error(`No endpoint is called ${name}.`)
  return found
}

describe('the document', () => {
  it('is the one on disk: `pnpm generate` was run', () => {
    expect(readFileSync(FILE, 'utf8')).toBe(`${JSON.stringify(openApiDocument(), null, 2)}\n`)
  })

  it('is OpenAPI 3.1', () => {
    expect(document.openapi).toMatch(/^3\.1\./)
  })

  it('has every endpoint, and no other', () => {
    expect(operations.map(({ name }) => name).sort()).toEqual(endpoints.map(({ route }) => route.operationId).sort())
  })

  it('has no reference that leads nowhere', () => {
    const references = new Set([...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => String(path)))
    expect(references.size).toBeGreaterThan(0)
    for (const path of references) {
      let at = document
      for (const step of path.split('/')) at = at?.[step]
      expect(at, path).toBeDefined()
    }
  })
})

describe('the operation', () => {
  it('ids are the camelCase of the files that hold them', () => {
    const files = readdirSync(new URL('./routes', import.meta.url), { recursive: true })
      .map((file) => String(file).replace(/^.*[\\/]/, ''))
      .filter((file) => /^(?:create|list|get|delete|ack|update|rotate|test|retry|replay|cancel|trace)-.*(?<!\.test)\.ts$/.test(file))
      .map((file) => file.replace(/\.ts$/, '').replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase()))
    expect(files.sort()).toEqual(operations.map(({ name }) => name).sort())
  })

  it.each(operations)('$name has a summary, a description and a tag that the document lists', ({ operation }) => {
    expect(operation.summary).toMatch(/^[A-Z].{8,}[^.]$/)
    expect(operation.description).toMatch(/^[A-Z].{20,}\.$/s)
    expect(document.tags.map(({ name }: { name: string }) => name)).toContain(operation.tags?.[0])
  })

  it.each(operations.filter(({ operation }) => operation.requestBody))(
    '$name has examples of its body that it accepts',
    ({ name, operation }) => {
      const examples = Object.values(operation.requestBody?.content['application/json'].examples ?? {})
      // This one may be left out.
      expect(operation.requestBody?.required).toBe(name !== 'rotateWebhookSecret')
      expect(examples.length).toBeGreaterThan(0)
      const { body } = endpointOf(name).route.request ?? {}
      const media = body?.content['application/json']
      if (media === undefined || !('schema' in media) || !('safeParse' in media.schema)) throw new Error('The body has no schema.')
      const { schema } = media
      for (const { summary, value } of examples) {
        expect(summary).toMatch(/.+/)
        expect(schema.safeParse(parseBody(JSON.stringify(value))).error).toBeUndefined()
      }
    },
  )

  it.each(operations)('$name has for each success an example of its form', ({ name, operation }) => {
    const successes = Object.entries(operation.responses).filter(([status]) => Number(status) < 400)
    expect(successes.length).toBeGreaterThan(0)
    for (const [status, { content }] of successes) {
      const { schema } = endpointOf(name).success[Number(status)] ?? {}
      if (status === '204') expect([schema, content]).toEqual([undefined, undefined])
      else expect(schema?.safeParse(parseAnswer(JSON.stringify(content['application/json'].example))).success).toBe(true)
    }
  })

  it.each(operations)('$name has its error answers, each with an example in the envelope', ({ name, operation }) => {
    const errors = Object.entries(operation.responses).filter(([status]) => Number(status) >= 400)
    const statuses = errors.map(([status]) => Number(status))
    expect(statuses).toEqual(expect.arrayContaining([401, 403, 413, 422, 429, 500, 503]))
    if (operation.requestBody) expect(statuses).toEqual(expect.arrayContaining([400, 415]))
    if (['getEvent', 'ackEvent'].includes(name)) expect(statuses).toContain(404)
    if (name === 'ackEvent') expect(statuses).toContain(409)
    for (const [, { description, content }] of errors) {
      expect(description).toMatch(/^`[A-Z_]+`: /)
      expect(description).not.toMatch(/`([A-Z_]+)`:.*`\1`:/s)
      expect(ErrorSchema.strict().safeParse(content['application/json'].example).error).toBeUndefined()
    }
  })

  it.each(operations)('$name describes each of its parameters', ({ operation }) => {
    for (const parameter of operation.parameters ?? []) {
      expect(JSON.stringify(parameter), parameter.name).toContain('"description":"')
      expect(JSON.stringify(parameter), parameter.name).toMatch(/"(?:example|enum|default)":/)
    }
  })

  it.each(operations)('$name needs a key, but for the health check', ({ name, operation }) => {
    expect(operation.security).toEqual(name === 'getHealth' ? undefined : [{ ApiKey: [] }, { Bearer: [] }])
  })
})

describe('the webhooks section', () => {
  const sent: [name: string, operation: Operation][] = Object.entries<{ post: Operation }>(document.webhooks).map(([name, { post }]) => [
    name,
    post,
  ])

  it('has what receivers get: an event, and each of our own', () => {
    expect(sent.map(([name, { operationId }]) => [name, operationId])).toEqual(
      ['eventDelivery', 'webhookDisabled', 'webhookRecovered', 'deliveryDead'].map((name) => [name, name]),
    )
    expect(OWN_EVENTS.map(({ type }) => type)).toEqual([...OWN_TYPES])
  })

  it.each(sent)('describes %s, which needs no key of ours, with its headers and what the answers lead to', (_, operation) => {
    expect(operation.security).toEqual([])
    expect(operation.description).toMatch(/^[A-Z].{20,}\.$/s)
    expect(operation.parameters?.map(({ in: place, name }) => `${place} ${name.toLowerCase()}`)).toEqual(
      SENT_HEADERS.map((name) => `header ${name}`),
    )
    expect(Object.keys(operation.responses).sort()).toEqual(['2XX', '410', 'default'])
  })

  it.each(sent)('has examples of %s of its form, in both payload formats', (name, operation) => {
    const own = OWN_EVENTS.find((event) => event.name === name)
    for (const { value } of Object.values(operation.requestBody?.content['application/json'].examples ?? {})) {
      const { data = value } = Object(value)
      if (own) {
        expect([data.source, data.event_type]).toEqual(['triggers', own.type])
        expect(own.payload.strict().safeParse(data.payload).error).toBeUndefined()
      }
      // A payload is text to an event's schema.
      const event = { ...data, payload: new RawJson('object', JSON.stringify(data.payload), 1) }
      expect(DeliveredEventSchema.safeParse(event).error).toBeUndefined()
      expect(DeliveredEventSchema.safeParse({ type: event.event_type, timestamp: event.created_at, data: event }).error).toBeUndefined()
    }
  })

  it.each(OWN_EVENTS)('requires what is particular about $type, so that no type of it is optional', ({ type, payload }) => {
    const own = Object.values<{ anyOf?: unknown[] }>(document.components.schemas).find((schema) => JSON.stringify(schema).includes(type))
    const particular = {
      required: ['source', 'event_type', 'payload'],
      properties: { event_type: { enum: [type] }, payload: { required: Object.keys(payload.shape) } },
    }
    const event = { allOf: [{ $ref: '#/components/schemas/Event' }, particular] }
    expect(own?.anyOf).toMatchObject([event, { required: ['type', 'timestamp', 'data'], properties: { data: event } }])
  })

  it('names each header that a delivery is sent with', () => {
    const secrets = [{ secret: 'my own secret, 0123456789', expiresAtUs: null }]
    const { headers } = deliveryRequest({ record: storedWebhook(), secrets, headers: {} }, eventRecord(), 0)
    const general = ['content-type', 'user-agent']
    expect(
      Object.keys(headers)
        .filter((name) => !general.includes(name))
        .sort(),
    ).toEqual([...SENT_HEADERS].sort())
  })
})

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseBody } from './domain/json.ts'
import { ErrorSchema } from './errors.ts'
import { openApiDocument } from './openapi.ts'
import { endpoints } from './routes/index.ts'

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
      .filter((file) => /^(?:create|list|get|delete|ack|update|rotate)-.*(?<!\.test)\.ts$/.test(file))
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
      expect(operation.requestBody?.required).toBe(true)
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
      else expect(schema?.safeParse(parseBody(JSON.stringify(content['application/json'].example))).success).toBe(true)
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

import { isAscii, isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { type AppEnv, requestHeader } from './context.ts'
import { withoutSecrets } from './domain/api-key-secret.ts'
import { type BodyValue, DuplicateKeyError, JsonSyntaxError, parseBody, setMember } from './domain/json.ts'
import { ApiError, type ErrorStatus, type Problem, validationError } from './errors.ts'

/** One event fits, with its metadata; so does the body of any other call. */
export const MAX_BODY_BYTES = 524_288

interface Schemas {
  params?: z.ZodType
  query?: z.ZodObject
  headers?: z.ZodObject
  body?: { schema: z.ZodType; isOptional?: true }
}

/**
 * What an endpoint declares, validated.
 * @param bytes the body, of an endpoint that declares one
 * @throws ApiError VALIDATION_ERROR
 */
export function parseRequest(c: Context<AppEnv>, schemas: Schemas, bytes: Buffer | undefined) {
  const body = schemas.body && bytes && parseDeclaredBody(c, schemas.body, bytes)
  return {
    params: schemas.params && parseWith(schemas.params, c.req.param(), 422),
    query: readQuery(c.req.url, schemas.query),
    headers: schemas.headers && parseWith(schemas.headers, headersOf(c, Object.keys(schemas.headers.shape)), 400),
    body: schemas.body && (body === undefined ? undefined : parseWith(schemas.body.schema, body, 400)),
  }
}

/**
 * The bytes of a body that the endpoint declares; what it does not declare is left unread.
 * @throws ApiError VALIDATION_ERROR, before anything is read, for another type than JSON; as `readBody`
 */
export function readDeclaredBody(c: Context<AppEnv>, { isOptional }: { isOptional?: true }): Promise<Buffer> {
  if (!isOptional) refuseOtherType(c)
  return readBody(c)
}

/** @returns undefined for an optional body that is left out, or null */
function parseDeclaredBody(c: Context<AppEnv>, { isOptional }: { isOptional?: true }, bytes: Buffer): BodyValue | undefined {
  if (!isOptional) return parseJsonBody(bytes)
  if (bytes.length === 0) return undefined
  refuseOtherType(c)
  return parseJsonBody(bytes) ?? undefined
}

/** Just the declared ones: gathering all of a request's headers costs more than reading its body. */
function headersOf(c: Context<AppEnv>, names: readonly string[]): Record<string, string | undefined> {
  return Object.fromEntries(names.map((name) => [name, requestHeader(c, name)]))
}

/**
 * @returns what the schema makes of the value
 * @throws ApiError VALIDATION_ERROR that names every problem
 */
function parseWith<Schema extends z.ZodType>(schema: Schema, value: unknown, status: ErrorStatus<'VALIDATION_ERROR'>): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw validationError(problemsOf(parsed.error.issues, value), status)
}

const METADATA_PREFIX = 'metadata.'
/** The query schema's name for all the `metadata.…` parameters together, as the document calls them. */
export const METADATA_PARAMETER = 'metadata.{key}'

function readQuery(url: string, schema: z.ZodObject | undefined) {
  const start = url.indexOf('?')
  if (start < 0 && schema === undefined) return undefined
  const values: Record<string, unknown> = {}
  const metadata: Record<string, string> = {}
  const names = new Set<string>()
  const takesMetadata = schema !== undefined && METADATA_PARAMETER in schema.shape
  for (const [name, value] of new URLSearchParams(start < 0 ? '' : url.slice(start))) {
    if (names.has(name)) throw validationError([{ field: shown(name), issue: 'stands more than once', suggestion: 'Send it once.' }], 422)
    names.add(name)
    if (takesMetadata && name.startsWith(METADATA_PREFIX)) {
      setMember(metadata, name.slice(METADATA_PREFIX.length), value)
      values[METADATA_PARAMETER] = metadata
    } else setMember(values, name, value)
  }
  if (schema !== undefined) return parseWith(schema, values, 422)
  const [unknown] = names
  if (unknown !== undefined) {
    throw validationError(
      [{ field: shown(unknown), issue: 'is not a parameter of this call', suggestion: 'This call takes no query parameters.' }],
      422,
    )
  }
  return undefined
}

const JSON_TYPE = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

function refuseOtherType(c: Context<AppEnv>): void {
  const contentType = requestHeader(c, 'content-type')
  if (contentType !== undefined && JSON_TYPE.test(contentType)) return
  const problem = {
    field: 'Content-Type',
    issue: 'must be application/json',
    suggestion: 'Send the body as JSON in UTF-8 with `Content-Type: application/json`.',
  }
  throw validationError([problem], 415)
}

function parseJsonBody(bytes: Buffer): BodyValue {
  if (!isUtf8(bytes)) throw validationError([{ field: 'body', issue: 'is not valid UTF-8', suggestion: 'Encode the body as UTF-8.' }])
  try {
    return parseBody(bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8'))
  } catch (error) {
    if (error instanceof JsonSyntaxError)
      throw validationError([{ field: 'body', issue: error.message, suggestion: 'Send valid JSON (RFC 8259).' }])
    if (error instanceof DuplicateKeyError)
      throw validationError([{ field: shown(error.path), issue: error.message, suggestion: 'Send each name once.' }])
    throw error
  }
}

/**
 * The body's bytes as received; the same ones when it is asked for again.
 * @throws ApiError PAYLOAD_TOO_LARGE as soon as more has come than the call takes, VALIDATION_ERROR when it breaks off
 */
export function readBody(c: Context<AppEnv>): Promise<Buffer> {
  const known = c.get('body')
  if (known !== undefined) return known
  const { incoming } = c.env ?? {}
  const maxBytes = c.get('maxBodyBytes')
  const body = incoming === undefined ? readStream(c.req.raw.body ?? [], maxBytes) : readIncoming(incoming, maxBytes)
  c.set('body', body)
  return body
}

/** From Node's request itself: its web form would copy the bytes. */
function readIncoming(incoming: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    let isWhole = false
    const breakOff = () => {
      // Every request is closed in the end, and an error costs more than reading a small body.
      if (!isWhole) reject(bodyBrokenOff())
    }
    incoming.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > maxBytes) reject(bodyTooLarge(maxBytes))
      else chunks.push(chunk)
    })
    incoming.on('end', () => {
      isWhole = true
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks))
    })
    incoming.on('error', breakOff)
    incoming.on('close', breakOff)
  })
}

async function readStream(stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of stream) {
      length += chunk.byteLength
      if (length > maxBytes) throw bodyTooLarge(maxBytes)
      chunks.push(chunk)
    }
  } catch (error) {
    throw error instanceof ApiError ? error : bodyBrokenOff()
  }
  return Buffer.concat(chunks)
}

function bodyBrokenOff(): ApiError {
  return validationError([{ field: 'body', issue: 'did not arrive whole', suggestion: 'Send the request again.' }])
}

/** @param actualBytes the body's length, where it is known */
export function bodyTooLarge(maxBytes: number, actualBytes?: number): ApiError {
  const details = { limit_bytes: maxBytes, ...(actualBytes !== undefined && { actual_bytes: actualBytes }) }
  return new ApiError('PAYLOAD_TOO_LARGE', `The request body is over ${maxBytes} bytes.`, { details })
}

type Issue = z.core.$ZodIssue

/** Names of a hostile request are shown shortened, so that its answer stays small; a key that strayed into one is not repeated. */
function shown(name: string): string {
  return withoutSecrets(name).slice(0, 200)
}

/**
 * Zod's issues in the API's words. An issue's own message says what is wrong ("must be …"); `params.suggestion` of a
 * custom one says what to do.
 * @param value what was parsed, to tell a missing field from a wrong one
 */
export function problemsOf(issues: readonly Issue[], value: unknown): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const field = fieldOf(issue.path) || 'body'
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        field: fieldOf([...issue.path, key]),
        issue: 'is not known here',
        suggestion: 'Remove it, or check its spelling.',
      }))
    }
    const only = issue.code === 'invalid_union' ? onlyForm(issue.errors) : undefined
    if (only !== undefined) {
      return problemsOf(
        only.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })),
        value,
      )
    }
    if (valueAt(value, issue.path) === undefined) return [{ field, issue: 'is required', suggestion: `Add ${field}.` }]
    return [{ field, issue: issueText(issue), suggestion: suggestionFor(issue, field) }]
  })
}

/** What is wrong by the one form that a value can have beside null; undefined when there are several. */
function onlyForm(forms: readonly Issue[][]): Issue[] | undefined {
  const others = forms.filter(([first]) => first?.code !== 'invalid_type' || first.expected !== 'null')
  return others.length === 1 ? others[0] : undefined
}

/** Where a problem is, in the words of the request: a metadata filter has the caller's name, not the document's. */
function fieldOf(path: readonly PropertyKey[]): string {
  return shown(path.join('.').replace(`${METADATA_PARAMETER}.`, METADATA_PREFIX))
}

function issueText(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${article(issue.expected)}`
    case 'invalid_value':
      return `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`
    default:
      return issue.message
  }
}

function suggestionFor(issue: Issue, field: string): string {
  if (issue.code === 'custom' && typeof issue.params?.['suggestion'] === 'string') return issue.params['suggestion']
  return `Correct ${field}; /docs shows the form that it has.`
}

function article(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at: unknown = value
  for (const step of path) {
    if (typeof at !== 'object' || at === null) return undefined
    at = Reflect.get(at, step)
  }
  return at
}

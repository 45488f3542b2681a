import { createRoute, type RouteConfig, type z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { AppEnv } from './context.ts'
import { type ErrorCode, errorResponses } from './errors.ts'
import type { Scope } from './ports.ts'
import { parseRequest, readDeclaredBody } from './request.ts'

type SuccessStatus = 200 | 201 | 202 | 204

/** A success with a JSON body, or (204) without one. */
type Success = { description: string; schema: z.ZodType; example: unknown } | { description: string; schema?: undefined }

interface RequestSchemas {
  params?: z.ZodObject
  query?: z.ZodObject
  headers?: z.ZodObject
  /** `isOptional`: it may be left out, or be null. */
  body?: { schema: z.ZodType; examples: Record<string, { summary: string; value: unknown }>; isOptional?: true }
}

type Output<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined

export interface Input<Request extends RequestSchemas> {
  params: Output<Request['params']>
  query: Output<Request['query']>
  headers: Output<Request['headers']>
  body: Request['body'] extends { schema: infer Schema }
    ? Output<Schema> | (Request['body'] extends { isOptional: true } ? undefined : never)
    : undefined
}

/** A success that the endpoint declares; the request id is put beside it. */
export type Answer<Successes> = {
  [Status in keyof Successes]: Successes[Status] extends { schema: infer Schema extends z.ZodType }
    ? { status: Status; body: Omit<z.input<Schema>, 'request_id'>; headers?: Record<string, string> | undefined }
    : { status: Status; body?: undefined; headers?: Record<string, string> | undefined }
}[keyof Successes]

export interface EndpointOptions<Request extends RequestSchemas, Successes extends Partial<Record<SuccessStatus, Success>>> {
  /** The camelCase of the file's name. */
  operationId: string
  method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  path: `/v1/${string}`
  tag: string
  summary: string
  description: string
  /** Who may call it: a key with one of these scopes, any key (`[]`), or everybody. */
  access: readonly Scope[] | 'public'
  /** The body's limit in bytes where it is not the usual one. */
  maxBodyBytes?: number
  request: Request
  success: Successes
  errors: readonly (ErrorCode | `${ErrorCode}.${number}`)[]
}

export interface Endpoint {
  route: RouteConfig & { operationId: string }
  access: readonly Scope[] | 'public'
  maxBodyBytes?: number | undefined
  success: Partial<Record<number, Success>>
  /** Absent where the call takes no body. As `readDeclaredBody`. */
  readBody: ((c: Context<AppEnv>) => Promise<Buffer>) | undefined
  /**
   * Validates the request, calls the handler.
   * @param bytes what `readBody` gave
   */
  run(
    c: Context<AppEnv>,
    bytes: Buffer | undefined,
  ): Promise<{ status: number; body?: object | undefined; headers?: Record<string, string> | undefined }>
}

/** Ties an endpoint's declaration, which the document is made from, to the handler that keeps it. */
export function endpoint<const Request extends RequestSchemas, const Successes extends Partial<Record<SuccessStatus, Success>>>(
  options: EndpointOptions<Request, Successes>,
  handler: (c: Context<AppEnv>, input: Input<Request>) => Promise<Answer<Successes> & { status: number; body?: object | undefined }>,
): Endpoint {
  const { request, success, access } = options
  const { body } = request
  const json = (schema: z.ZodType, rest: object) => ({ content: { 'application/json': { schema, ...rest } } })
  const successes: Record<string, Success> = success
  const route = createRoute({
    operationId: options.operationId,
    method: options.method,
    path: options.path,
    tags: [options.tag],
    summary: options.summary,
    description: options.description,
    ...(access === 'public' ? {} : { security: [{ ApiKey: [] }, { Bearer: [] }] }),
    request: {
      ...(request.params && { params: request.params }),
      ...(request.query && { query: request.query }),
      ...(request.headers && { headers: request.headers }),
      ...(request.body && {
        body: { required: !request.body.isOptional, ...json(request.body.schema, { examples: request.body.examples }) },
      }),
    },
    responses: {
      ...Object.fromEntries(
        Object.entries(successes).map(([status, success]) => [
          status,
          { description: success.description, ...(success.schema && json(success.schema, { example: success.example })) },
        ]),
      ),
      ...errorResponses(...options.errors),
    },
  })
  return {
    route: { ...route, operationId: options.operationId },
    access,
    maxBodyBytes: options.maxBodyBytes,
    success: successes,
    readBody: body && ((c) => readDeclaredBody(c, body)),
    // The four schemas that `parseRequest` parses with are the ones that `Input` is made of.
    run: (c, bytes) => handler(c, parseRequest(c, request, bytes) as Input<Request>),
  }
}

import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { answerError } from './answer-error.ts'
import { type AppEnv, answerJson } from './context.ts'
import type { Deps } from './deps.ts'
import { withoutSecrets } from './domain/api-key-secret.ts'
import type { Endpoint } from './endpoint.ts'
import { ApiError } from './errors.ts'
import { admit } from './middleware/admit.ts'
import { applyCors } from './middleware/cors.ts'
import { refuseLongBody } from './middleware/limit-body.ts'
import { refuseForeignHost } from './middleware/local-host.ts'
import { setRequestContext } from './middleware/request-context.ts'
import { openApiDocument } from './openapi.ts'
import { MAX_BODY_BYTES } from './request.ts'
import { paramsOf, RouteTable } from './route-table.ts'
import { mountDocs } from './routes/docs/docs.ts'
import { endpoints } from './routes/index.ts'

/** The whole HTTP side: `fetch` takes a request and gives its answer. Does no I/O of its own. */
export function buildApp(deps: Deps): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>({ router: new RouteTable() })
  app.onError((error, c) => answerError(c, error))
  app.notFound((c) => refuseUnknownRoute(c, deps, app).catch((error: unknown) => answerError(c, error)))
  for (const endpoint of endpoints) mount(app, deps, endpoint)
  mountDocs(app, openApiDocument, (c) => begin(c, deps))
  return app
}

/** One function for a route, where Hono would chain middleware: its chain and its slower routers took a twentieth of a create. */
function mount(app: OpenAPIHono<AppEnv>, deps: Deps, endpoint: Endpoint): void {
  const { method, path, operationId } = endpoint.route
  app.on(method.toUpperCase(), path.replaceAll(/\{(\w+)\}/g, ':$1'), async (c) => {
    c.set('operationId', operationId)
    const preflight = begin(c, deps, endpoint.maxBodyBytes)
    if (preflight !== undefined) return preflight
    if (endpoint.access !== 'public') {
      const admission = admit(c)
      if (admission !== undefined) await admission
      checkScope(c, endpoint)
    }
    const bytes = endpoint.readBody && (await endpoint.readBody(c))
    const { status, body, headers } = await endpoint.run(c, bytes)
    return answerJson(c, status, { ...body, request_id: c.get('requestId') }, headers)
  })
}

/**
 * What every request meets before anybody asks who sent it.
 * @returns the answer to a CORS preflight
 * @throws ApiError FORBIDDEN for a foreign host, PAYLOAD_TOO_LARGE
 */
function begin(c: Context<AppEnv>, deps: Deps, maxBodyBytes = MAX_BODY_BYTES): Response | undefined {
  setRequestContext(c, deps)
  c.set('maxBodyBytes', maxBodyBytes)
  refuseForeignHost(c)
  const preflight = applyCors(c)
  if (preflight === undefined) refuseLongBody(c, maxBodyBytes)
  return preflight
}

/** @throws ApiError FORBIDDEN when the key has none of the endpoint's scopes */
function checkScope(c: Context<AppEnv>, { access }: Endpoint): void {
  if (access === 'public' || access.length === 0 || access.some((scope) => c.get('principal').scopes.includes(scope))) return
  throw new ApiError('FORBIDDEN', 'The API key lacks the scope for this call.', {
    details: { required_scopes: access, suggestion: `Use a key with the scope ${access.join(' or ')}.` },
  })
}

/** Under /v1 a path that is not there, or a method that it does not know, is told to those with a key alone. */
async function refuseUnknownRoute(c: Context<AppEnv>, deps: Deps, app: OpenAPIHono<AppEnv>): Promise<Response> {
  const preflight = begin(c, deps)
  if (preflight !== undefined) return preflight
  if (c.req.path === '/v1' || c.req.path.startsWith('/v1/')) await admit(c)
  throw unknownRoute(c, app)
}

function unknownRoute(c: Context<AppEnv>, app: OpenAPIHono<AppEnv>): ApiError {
  const methods = methodsOf(app, c.req.path)
  if (methods.length === 0) {
    return new ApiError('NOT_FOUND', 'There is no such path.', {
      details: { path: withoutSecrets(c.req.path).slice(0, 200), suggestion: '/docs lists every call.' },
    })
  }
  const allow = methods.join(', ')
  return new ApiError('METHOD_NOT_ALLOWED', `This path knows ${allow}.`, {
    details: { method: c.req.method, allowed: methods, suggestion: `Use ${allow}.` },
    headers: { allow },
  })
}

/** The methods of all routes whose path this one is, the docs' too. */
function methodsOf(app: OpenAPIHono<AppEnv>, path: string): string[] {
  const steps = path.split('/')
  const methods = new Set<string>()
  for (const route of app.routes) {
    if (paramsOf(route.path.split('/'), steps) === undefined) continue
    methods.add(route.method)
    if (route.method === 'GET') methods.add('HEAD')
  }
  return [...methods]
}

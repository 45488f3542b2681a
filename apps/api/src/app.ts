import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { METHOD_NAME_ALL } from 'hono/router'
import { LinearRouter } from 'hono/router/linear-router'
import { answerError } from './answer-error.ts'
import { type AppEnv, answerJson } from './context.ts'
import type { Deps } from './deps.ts'
import type { Endpoint } from './endpoint.ts'
import { ApiError } from './errors.ts'
import { authenticate } from './middleware/authenticate.ts'
import { applyCors } from './middleware/cors.ts'
import { refuseLongBody } from './middleware/limit-body.ts'
import { refuseForeignHost } from './middleware/local-host.ts'
import { setRequestContext } from './middleware/request-context.ts'
import { openApiDocument } from './openapi.ts'
import { mountDocs } from './routes/docs/docs.ts'
import { endpoints } from './routes/index.ts'

/** The whole HTTP side: `fetch` takes a request and gives its answer. Does no I/O of its own. */
export function buildApp(deps: Deps): OpenAPIHono<AppEnv> {
  // `/v1/events/bulk` beside `/v1/events/{event_id}` is beyond the default router's fast path; its slow one is slower than this.
  const app = new OpenAPIHono<AppEnv>({ router: new LinearRouter() })
  const limits = bodyLimits()
  app.onError((error, c) => answerError(c, error))
  app.notFound((c) => answerError(c, unknownRoute(c, app)))

  app.use((c, next) => {
    setRequestContext(c, deps)
    refuseForeignHost(c)
    const preflight = applyCors(c)
    if (preflight !== undefined) return Promise.resolve(preflight)
    refuseLongBody(c, limits)
    return next()
  })
  for (const endpoint of endpoints) if (endpoint.access === 'public') mount(app, endpoint)
  mountDocs(app, openApiDocument())
  app.use('/v1/*', authenticate)
  for (const endpoint of endpoints) if (endpoint.access !== 'public') mount(app, endpoint)
  return app
}

function mount(app: OpenAPIHono<AppEnv>, endpoint: Endpoint): void {
  const { method, path } = endpoint.route
  app.on(method.toUpperCase(), path.replaceAll(/\{(\w+)\}/g, ':$1'), async (c, next) => {
    // The router takes a path with a slash behind it for the one without; this API has one name for a thing.
    if (c.req.path.endsWith('/')) return next()
    checkScope(c, endpoint)
    const { status, body, headers } = await endpoint.run(c)
    return answerJson(c, status, { ...body, request_id: c.get('requestId') }, headers)
  })
}

/** @throws ApiError FORBIDDEN when the key has none of the endpoint's scopes */
function checkScope(c: Context<AppEnv>, { access }: Endpoint): void {
  if (access === 'public' || access.length === 0 || access.some((scope) => c.get('principal').scopes.includes(scope))) return
  throw new ApiError('FORBIDDEN', 'The API key lacks the scope for this call.', {
    details: { required_scopes: access, suggestion: `Use a key with the scope ${access.join(' or ')}.` },
  })
}

function bodyLimits(): Map<string, number> {
  return new Map(
    endpoints.flatMap(({ route, maxBodyBytes }) =>
      maxBodyBytes === undefined ? [] : [[`${route.method.toUpperCase()} ${route.path}`, maxBodyBytes] as const],
    ),
  )
}

function unknownRoute(c: Context<AppEnv>, app: OpenAPIHono<AppEnv>): ApiError {
  const methods = methodsOf(app, c.req.path)
  if (methods.length === 0) {
    return new ApiError('NOT_FOUND', 'There is no such path.', {
      details: { path: c.req.path.slice(0, 200), suggestion: '/docs lists every call.' },
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
  const methods = new Set<string>()
  for (const route of app.routes) {
    if (route.method === METHOD_NAME_ALL || !isPathOf(route.path, path)) continue
    methods.add(route.method)
    if (route.method === 'GET') methods.add('HEAD')
  }
  return [...methods]
}

function isPathOf(pattern: string, path: string): boolean {
  const steps = path.split('/')
  const wanted = pattern.split('/')
  return (
    steps.length === wanted.length && wanted.every((step, index) => (step.startsWith(':') ? steps[index] !== '' : steps[index] === step))
  )
}

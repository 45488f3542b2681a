import { OpenAPIHono } from '@hono/zod-openapi'
import { registerWebhooks } from './openapi-webhooks.ts'
import { endpoints } from './routes/index.ts'
import { VERSION } from './version.ts'

const TAGS = [
  { name: 'Events', description: 'What happened: created by producers, kept for a week.' },
  { name: 'Inbox', description: 'The events that wait to be acknowledged.' },
  { name: 'Webhooks', description: 'Where events are sent to, signed, filtered, retried.' },
  { name: 'Deliveries', description: 'What was sent to a webhook, with every attempt and its answer.' },
  { name: 'Replays', description: 'Events of a span of time, sent to a webhook again.' },
  { name: 'API keys', description: 'Who may call, and what: made, rotated and revoked without an interruption.' },
  { name: 'Audit log', description: 'Who changed a key or a setting, when and from where.' },
  { name: 'Server', description: 'The server itself, and who asks.' },
]

/** The OpenAPI 3.1 document of the route table. Needs no server. */
export function openApiDocument() {
  const app = new OpenAPIHono()
  for (const { route } of endpoints) app.openAPIRegistry.registerPath(route)
  registerWebhooks(app.openAPIRegistry)
  app.openAPIRegistry.registerComponent('securitySchemes', 'ApiKey', {
    type: 'apiKey',
    in: 'header',
    name: 'X-API-Key',
    description: 'The API key. A server that was just started on its own machine accepts `test-api-key-12345`.',
  })
  app.openAPIRegistry.registerComponent('securitySchemes', 'Bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'The API key as a bearer token.',
  })
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Triggers API',
      version: VERSION,
      description:
        'Post events; read them from the inbox, in the order in which they were committed, or have them sent to webhooks. Every answer carries `X-Request-ID`, and every JSON body ' +
        'its `request_id`. Errors are `{"error": {code, message, details, request_id}}`; fields and query parameters that a call does not know are errors.',
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
    },
    servers: [{ url: '/', description: 'This server' }],
    tags: TAGS,
  })
}

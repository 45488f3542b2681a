/** The document and its two pages. Their scripts come from npm packages and are served here: a strict policy allows no other. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { AppEnv } from '../../context.ts'

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const require = createRequire(import.meta.url)

/** The files that the pages load, by path. */
const ASSETS: Record<string, { file: string; type: string }> = {
  '/docs/swagger-ui-bundle.js': { file: 'swagger-ui-dist/swagger-ui-bundle.js', type: 'text/javascript; charset=utf-8' },
  '/docs/swagger-ui.css': { file: 'swagger-ui-dist/swagger-ui.css', type: 'text/css; charset=utf-8' },
  '/redoc/redoc.standalone.js': { file: 'redoc/bundles/redoc.standalone.js', type: 'text/javascript; charset=utf-8' },
}

const START_DOCS = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#docs', deepLinking: true, persistAuthorization: true, tryItOutEnabled: true })`
const START_REDOC = `Redoc.init('/openapi.json', { disableSearch: true, nativeScrollbars: true }, document.getElementById('docs'))`

const DOCS_PAGE = page('<link rel="stylesheet" href="/docs/swagger-ui.css">', '/docs/swagger-ui-bundle.js', '/docs/start.js')
const REDOC_PAGE = page('', '/redoc/redoc.standalone.js', '/redoc/start.js')

/** `/openapi.json`, `/docs` (interactive, with a place for the key) and `/redoc`; they need no key. */
export function mountDocs(app: OpenAPIHono<AppEnv>, document: object): void {
  const json = JSON.stringify(document)
  const serve = (path: string, type: string, body: () => string | Promise<Uint8Array<ArrayBuffer>>, headers: Record<string, string> = {}) => {
    app.get(path, async (c) => {
      return new Response(await body(), { headers: { ...c.get('responseHeaders'), 'content-type': type, ...headers } })
    })
  }
  serve('/openapi.json', 'application/json', () => json)
  serve('/docs', 'text/html; charset=utf-8', () => DOCS_PAGE, { 'content-security-policy': POLICY })
  serve('/redoc', 'text/html; charset=utf-8', () => REDOC_PAGE, { 'content-security-policy': POLICY })
  serve('/docs/start.js', 'text/javascript; charset=utf-8', () => START_DOCS)
  serve('/redoc/start.js', 'text/javascript; charset=utf-8', () => START_REDOC)
  for (const [path, { file, type }] of Object.entries(ASSETS)) {
    serve(path, type, () => readFile(require.resolve(file)), { 'cache-control': 'max-age=3600' })
  }
}

function page(head: string, ...scripts: string[]): string {
  const loads = scripts.map((script) => `<script src="${script}"></script>`).join('\n')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Triggers API</title>
<link rel="icon" href="data:,">
${head}
</head>
<body>
<main id="docs"></main>
<noscript>This page needs JavaScript. The document itself is at <a href="/openapi.json">/openapi.json</a>.</noscript>
${loads}
</body>
</html>
`
}

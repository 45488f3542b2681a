/** The document and its two pages. Their scripts come from npm packages and are served here: a strict policy allows no other. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { AppEnv } from '../../context.ts'

/** @param styles sources of styles beside the server itself */
const policy = (...styles: string[]) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    ["style-src 'self'", ...styles].join(' '),
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')

const DOCS_POLICY = policy()
/**
 * Redoc makes two style elements: an empty one that it then fills by script, which the policy allows, and one with the rules of its
 * scroll bars. These are their hashes; the browser test fails when a newer Redoc makes others.
 */
const REDOC_POLICY = policy(
  "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
  "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='",
)

const require = createRequire(import.meta.url)

/** Redoc shows its maker's logo from there: no page of this server tells another one that it was read. */
const FOREIGN_LOGO = 'https://cdn.redoc.ly/redoc/logo-mini.svg'
const NO_PICTURE = 'data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=='

/** The files that the pages load, by path. */
const ASSETS: Record<string, { file: string; type: string }> = {
  '/docs/swagger-ui-bundle.js': { file: 'swagger-ui-dist/swagger-ui-bundle.js', type: 'text/javascript; charset=utf-8' },
  '/docs/swagger-ui.css': { file: 'swagger-ui-dist/swagger-ui.css', type: 'text/css; charset=utf-8' },
  '/redoc/redoc.standalone.js': { file: 'redoc/bundles/redoc.standalone.js', type: 'text/javascript; charset=utf-8' },
}

/** Swagger UI would fill the form of an optional parameter with its example, and send it: the example goes to the description. */
const START_DOCS = `fetch('/openapi.json')
  .then((answer) => answer.json())
  .then((spec) => {
    for (const operation of Object.values(spec.paths).flatMap(Object.values)) {
      for (const parameter of operation.parameters ?? []) {
        const { example, ...schema } = parameter.schema
        if (parameter.required || example === undefined) continue
        parameter.schema = schema
        parameter.description += ' For example: ' + example
      }
    }
    SwaggerUIBundle({ spec, dom_id: '#docs', deepLinking: true, persistAuthorization: true, tryItOutEnabled: true })
  })
`
const START_REDOC = `Redoc.init('/openapi.json', { disableSearch: true, nativeScrollbars: true }, document.getElementById('docs'))`
const REDOC_STYLES = 'body { margin: 0; } /* Redoc leaves the page itself alone. */\n'

const DOCS_PAGE = page('<link rel="stylesheet" href="/docs/swagger-ui.css">', '/docs/swagger-ui-bundle.js', '/docs/start.js')
const REDOC_PAGE = page('<link rel="stylesheet" href="/redoc/page.css">', '/redoc/redoc.standalone.js', '/redoc/start.js')

/**
 * `/openapi.json`, `/docs` (interactive, with a place for the key) and `/redoc`; they need no key.
 * @param makeDocument called with the first request for it: it takes some 10 MB, which a server that nobody asks keeps
 * @param begin what every request meets first; its answer, if it has one, is the answer
 */
export function mountDocs(app: OpenAPIHono<AppEnv>, makeDocument: () => object, begin: (c: Context<AppEnv>) => Response | undefined): void {
  let json: string | undefined
  const serve = (path: string, type: string, body: () => string | Promise<string>, headers: Record<string, string> = {}) => {
    app.get(path, async (c) => {
      const answered = begin(c)
      if (answered !== undefined) return answered
      return new Response(await body(), { headers: { ...c.get('responseHeaders'), 'content-type': type, ...headers } })
    })
  }
  serve('/openapi.json', 'application/json', () => {
    json ??= JSON.stringify(makeDocument())
    return json
  })
  serve('/docs', 'text/html; charset=utf-8', () => DOCS_PAGE, { 'content-security-policy': DOCS_POLICY })
  serve('/redoc', 'text/html; charset=utf-8', () => REDOC_PAGE, { 'content-security-policy': REDOC_POLICY })
  serve('/redoc/page.css', 'text/css; charset=utf-8', () => REDOC_STYLES)
  serve('/docs/start.js', 'text/javascript; charset=utf-8', () => START_DOCS)
  serve('/redoc/start.js', 'text/javascript; charset=utf-8', () => START_REDOC)
  for (const [path, { file, type }] of Object.entries(ASSETS)) {
    serve(path, type, async () => (await readFile(require.resolve(file), 'utf8')).replaceAll(FOREIGN_LOGO, NO_PICTURE), {
      'cache-control': 'max-age=3600',
    })
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

/**
 * The reference page: Swagger UI from its package, with a page and a script of our own. Nothing loads from another
 * host.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { once } from './once.ts'

export interface Part { name: string, headers: Readonly<Record<string, string>>, body (): Buffer | string }

/**
 * Scripts and styles from this host only, none inline; images as data URLs of the style sheet; requests to this host
 * only.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'"
].join('; ')

const cached = { 'cache-control': 'public, max-age=300' }

export const referencePage = {
  headers: { ...cached, 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy },
  body: `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Latchkey API reference</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/reference/swagger-ui.css">
    <script src="/reference/swagger-ui-bundle.js" defer></script>
    <script src="/reference/start.js" defer></script>
  </head>
  <body>
    <div id="reference"></div>
    <noscript>This page needs JavaScript; <a href="/api/v1/openapi.json">openapi.json</a> and <a href="/llms.txt">llms.txt</a> contain the same.</noscript>
  </body>
</html>
`,
}

/** The files that the page loads. The page requests the path of `documentUrl` from its own host. */
export function referenceParts (documentUrl: string): Part[] {
  return [
    {
      name: 'swagger-ui-bundle.js',
      headers: { ...cached, 'content-type': 'text/javascript; charset=utf-8' },
      body: packaged('swagger-ui-bundle.js')
    },
    {
      name: 'swagger-ui.css',
      headers: { ...cached, 'content-type': 'text/css; charset=utf-8' },
      body: packaged('swagger-ui.css')
    },
    {
      name: 'start.js',
      headers: { ...cached, 'content-type': 'text/javascript; charset=utf-8' },
      body: () => startScript(new URL(documentUrl).pathname)
    }
  ]
}

/** No validator badge, which would call another host; credentials are not stored. */
function startScript (documentPath: string): string {
  const options = {
    url: documentPath,
    dom_id: '#reference',
    deepLinking: true,
    validatorUrl: null,
    persistAuthorization: false,
    docExpansion: 'list',
    defaultModelsExpandDepth: 0,
    tryItOutEnabled: false
  }
  return `window.ui = SwaggerUIBundle({ ...${
    JSON.stringify(options)
  }, presets: [SwaggerUIBundle.presets.apis], layout: 'BaseLayout' })\n`
}

/** Read on first use: most servers never serve it. */
function packaged (name: string): () => Buffer {
  return once(() => readFileSync(join(swaggerUi(), name)))
}

/** A build has a copy of the two files, so that users install none of the package's other 10 MB. */
function swaggerUi (): string {
  const copied = join(import.meta.dirname, 'swagger-ui')
  return existsSync(copied) ? copied : dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
}

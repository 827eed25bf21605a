/** The files of pages: styles, scripts and the mark, from the folder beside this one, and the fonts. */
import type { FastifyInstance } from 'fastify'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { unlisted } from '../http/route-schema.ts'
import { digestOf } from '../secrets/digest.ts'

/** Where the files of pages are served. */
export const assetsPath = '/assets'

const types: Readonly<Record<string, string>> = {
  'pages.css': 'text/css; charset=utf-8',
  'dashboard.css': 'text/css; charset=utf-8',
  'dashboard.js': 'text/javascript; charset=utf-8',
  'link.js': 'text/javascript; charset=utf-8',
  'passkeys.js': 'text/javascript; charset=utf-8',
  'mark.svg': 'image/svg+xml',
}

/** Variable fonts, their Latin letters alone: others come from the fonts of the system, letter by letter. */
const fonts = [
  font('Inter', 'inter', '100 900'),
  font('JetBrains Mono', 'jetbrains-mono', '100 800'),
]

/** The font of all text, for pages to ask for before their style sheet has arrived. */
export const textFontUrl = fonts[0]!.url

interface Font { family: string, weights: string, name: string, body: Buffer, url: string }

/** `url` changes with the bytes, so that browsers keep them for a year. */
function font (family: string, id: string, weights: string): Font {
  const body = readFileSync(join(fontFolder(id), `${id}-latin-wght-normal.woff2`))
  const name = `${id}.woff2`
  const version = digestOf(body.toString('latin1')).slice(0, 8)
  return { family, weights, name, body, url: `${assetsPath}/${name}?${version}` }
}

/** A build has a copy of each, so that users install none of the other subsets. */
function fontFolder (id: string): string {
  const copied = join(import.meta.dirname, 'fonts', id)
  if (existsSync(copied)) return copied
  const manifest = createRequire(import.meta.url).resolve(`@fontsource-variable/${id}/package.json`)
  return join(dirname(manifest), 'files')
}

/** Serves each file under its name. They are read once, at the start. */
export function serveAssets (app: FastifyInstance): void {
  for (const [name, type] of Object.entries(types)) {
    const file = readFileSync(new URL(`assets/${name}`, import.meta.url))
    serve(app, name, type, 'public, max-age=300', name === 'pages.css' ? fonts.map(face).join('') + String(file) : file)
  }
  for (const { name, body } of fonts) serve(app, name, 'font/woff2', 'public, max-age=31536000, immutable', body)
}

function serve (app: FastifyInstance, name: string, type: string, caching: string, body: Buffer | string): void {
  const headers = { 'content-type': type, 'cache-control': caching, 'cross-origin-resource-policy': 'same-origin' }
  app.get(`${assetsPath}/${name}`, { schema: unlisted }, async (_request, reply) =>
    await reply.headers(headers).send(body))
}

/** `swap`: text is there at once, in a font of the system. */
function face ({ family, weights, url }: Font): string {
  return `@font-face {
  font-family: "${family}";
  font-weight: ${weights};
  font-display: swap;
  src: url("${url}") format("woff2");
}
`
}

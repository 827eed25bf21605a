/**
 * The lines that protect an API, by framework: those of the guides in docs/, which tests run, with the names of the API
 * at hand in the place of the example's.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** `id`: a member of the query. `guide`: the page that has the rest. */
export interface Framework { id: string, name: string, guide: string, parts: readonly Part[] }

/** A block of code of a page: the first one of this language below a heading, or after a sentence. */
interface Part {
  file: string
  page: string
  /** A line of the page, or the beginning of one; absent: the whole file. */
  after?: string
  language?: string
  /** The lines that are taken of it; absent: all. */
  lines?: (block: readonly string[]) => readonly string[]
}

/** The README of the guard's package is copied beside the code by a build; docs/ and deploy/ are in the package. */
const root = join(import.meta.dirname, '..', '..', '..')
const readme = 'packages/guard/README.md'

/** The server of the guides, where a page takes it from a variable. */
function withServer (line: string): string {
  return line.includes('LATCHKEY_SERVER') ? '  server: \'http://localhost:3000\',' : line
}

const frameworks: readonly Framework[] = [
  {
    id: 'express',
    name: 'Express',
    guide: 'docs/guides/express.md',
    parts: [{ file: 'api.js', page: 'docs/guides/express.md', after: '## 3. Guard a route', language: 'diff' }],
  },
  {
    id: 'fastify',
    name: 'Fastify',
    guide: readme,
    parts: [
      {
        file: 'api.js', page: readme, after: 'With Fastify, ', language: 'js', lines: block => block.map(withServer)
      },
    ],
  },
  {
    id: 'nextjs',
    name: 'Next.js',
    guide: 'docs/guides/nextjs.md',
    parts: [
      { file: 'lib/latchkey.js', page: 'docs/guides/nextjs.md', after: '## 3. Guard a route', language: 'js' },
      { file: 'app/invoices/route.js', page: 'docs/guides/nextjs.md', after: '## 3. Guard a route', language: 'diff' },
    ],
  },
  {
    id: 'hono',
    name: 'Hono',
    guide: readme,
    parts: [
      {
        file: 'guard.js',
        page: readme,
        after: 'With Fastify, ',
        language: 'js',
        lines: block =>
          block.slice(0, block.indexOf('})') + 1).filter(line => !line.includes('astify')).map(withServer)
      },
      { file: 'api.js', page: readme, after: 'With Hono, ', language: 'js' },
    ],
  },
  {
    id: 'fastapi',
    name: 'FastAPI',
    guide: 'docs/guides/fastapi.md',
    parts: [{ file: 'api.py', page: 'docs/guides/fastapi.md', after: '## api.py', language: 'python' }],
  },
  {
    id: 'go',
    name: 'Go',
    guide: 'docs/guides/go.md',
    parts: [{ file: 'main.go', page: 'docs/guides/go.md', after: '## 3. Guard a route', language: 'diff' }],
  },
  {
    id: 'spring',
    name: 'Spring',
    guide: 'docs/guides/spring-security.md',
    parts: [
      {
        file: 'application.yaml',
        page: 'docs/guides/spring-security.md',
        after: '## Which route needs which scope',
        language: 'yaml'
      },
      {
        file: 'Routes.java',
        page: 'docs/guides/spring-security.md',
        after: '## Which route needs which scope',
        language: 'java'
      },
      { file: 'Tokens.java', page: 'docs/guides/spring-security.md', after: '## JWT: take', language: 'java' },
    ],
  },
  {
    id: 'nginx',
    name: 'nginx',
    guide: 'docs/guides/nginx.md',
    parts: [{ file: '/etc/nginx/conf.d/api.conf', page: 'deploy/nginx/forward-auth.conf' }],
  },
]

const mcpFrameworks: readonly Framework[] = [
  ['typescript', 'TypeScript', '## TypeScript: ', 'server.mjs', 'js'],
  ['python', 'Python', '## Python: the SDK', 'server.py', 'python'],
  ['fastmcp', 'FastMCP', '## Python: FastMCP', 'server.py', 'python'],
].map(([id, name, after, file, language]) => ({
  id: id!,
  name: name!,
  guide: 'docs/guides/mcp.md',
  parts: [{ file: file!, page: 'docs/guides/mcp.md', after: after!, language: language! }]
}))

export const frameworksOf = { '/resources': frameworks, '/mcp-servers': mcpFrameworks } as const

/** The API at hand. */
export interface Names { issuer: string, id: string, identifier: string, scopes: readonly string[] }

export interface Snippet { file: string, text: string }

/** The blocks of a framework, with the names of an API. @throws Error for a page that lacks one. */
export function snippetsFor ({ parts }: Framework, names: Names): Snippet[] {
  return parts.map(({ file, ...part }) => ({ file, text: withNames(blockOf(part), names) }))
}

function blockOf ({ page, after, language, lines = all => all }: Omit<Part, 'file'>): string {
  const text = readPage(page)
  if (after === undefined) return text
  const start = text.indexOf(`\n${after}`)
  const fence = `\n\`\`\`${language}\n`
  const begin = start === -1 ? -1 : text.indexOf(fence, start)
  const end = begin === -1 ? -1 : text.indexOf('\n```', begin + fence.length - 1)
  if (end === -1) throw new Error(`${page} has no ${language} after ${after}`)
  const block = text.slice(begin + fence.length, end)
  return lines((language === 'diff' ? result(block) : block).split('\n')).join('\n')
}

const pages = new Map<string, string>()

function readPage (page: string): string {
  const copied = join(import.meta.dirname, 'guard-readme.md')
  const path = page === readme && existsSync(copied) ? copied : join(root, page)
  const text = pages.get(page) ?? readFileSync(path, 'utf8')
  pages.set(page, text)
  return text
}

/** The file that a difference leads to. */
function result (difference: string): string {
  return difference.split('\n').filter(line => !line.startsWith('-')).map(line => line.slice(1)).join('\n')
}

/** Names of the examples, and those of the API at hand. */
function withNames (text: string, { issuer, id, identifier, scopes }: Names): string {
  const [read = 'invoices:read', write = read] = scopes
  const places: readonly (readonly [string, string])[] = [
    ['http://localhost:3000', issuer],
    ['LATCHKEY_CLIENT_ID', 'CLIENT_ID'],
    ['LATCHKEY_CLIENT_SECRET', 'CLIENT_SECRET'],
    ['https://api.acme.test', identifier],
    ['http://localhost:8000/mcp', identifier],
    ['api.example.com', URL.parse(identifier)?.host ?? identifier],
    ['RESOURCE_ID', id],
    ['invoices:read', read],
    ['invoices:write', write],
    ['tools:call', scopes[0] ?? 'tools:call'],
  ]
  // In one turn: a name of the API may contain one of an example.
  const pieces: string[] = []
  let rest = text
  for (let next = firstOf(places, rest); next !== null; next = firstOf(places, rest)) {
    pieces.push(rest.slice(0, next.at), next.here)
    rest = rest.slice(next.at + next.said.length)
  }
  return pieces.join('') + rest
}

/** The place that is named first in a text; null: none is. */
function firstOf (places: readonly (readonly [said: string, here: string])[], text: string) {
  const found = places.map(([said, here]) => ({ said, here, at: text.indexOf(said) })).filter(({ at }) => at !== -1)
  return found.sort((one, other) => one.at - other.at)[0] ?? null
}

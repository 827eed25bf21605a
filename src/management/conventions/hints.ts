/**
 * Hints of successful answers, in their `Warning` header: the created record has no effect yet, and how to change that.
 */
import type { FastifyInstance } from 'fastify'
import { isLoopback } from '../../config/loopback.ts'
import { warnings } from '../../http/process-warning.ts'

/** Adds the `Warning` header to the answers of `app`. */
export function addHints (app: FastifyInstance): void {
  app.addHook('preSerialization', (request, reply, payload, done) => {
    const { method, routeOptions: { url = '' } } = request
    const hintsOf = reply.statusCode < 300 ? hints[`${method} ${url.slice(app.prefix.length)}`] : undefined
    const texts = hintsOf?.(payload as never) ?? []
    if (texts.length > 0) reply.header('warning', warnings(texts))
    done(null, payload)
  })
}

interface Grants {
  clientId: string
  grants: readonly { scopes: readonly string[] }[]
  grantTypes: readonly string[]
  introspects: readonly string[]
}

/** A client that introspects needs no scopes, and what a client does for people is theirs to allow. */
function hintsOfClient ({ clientId, grants, grantTypes, introspects }: Grants): string[] {
  const hasScope = grants.some(({ scopes }) => scopes.length > 0)
  if (hasScope || introspects.length > 0 || !grantTypes.includes('client_credentials')) return []
  return [
    `The client ${clientId} has no scope yet, so its tokens are refused by every route that requires one: ` +
    `latchkey client update ${clientId} --resource API --scope NAME`,
  ]
}

interface Declared { id: string, identifier: string, scopes: readonly unknown[] }

function hintsOfResource ({ id, identifier, scopes }: Declared): string[] {
  const url = URL.parse(identifier)
  const inClear = url?.protocol === 'http:' && !isLoopback(url.hostname)
  const noScope = `The resource ${id} declares no scope yet, so no credential for it can have one: ` +
    `latchkey resource update ${id} --scope NAME`
  const notHttps = `The identifier of ${id} uses http, so its credentials are sent unencrypted, and clients that ` +
    'follow RFC 9728 refuse it: declare the https URL that callers use'
  return [...(scopes.length > 0 ? [] : [noScope]), ...(inClear ? [notHttps] : [])]
}

interface Held { id: string, scopes: readonly string[] }

function hintsOfKey ({ id, access, scopes }: Held & { access: string }): string[] {
  if (access !== 'custom' || scopes.length > 0) return []
  const wayOut = `latchkey key update ${id} --scope NAME`
  return [`The key ${id} has no scope yet, so every route that requires one refuses it: ${wayOut}`]
}

/** For credentials whose scopes cannot change. */
function hintsOfFixed ({ id, scopes }: Held): string[] {
  if (scopes.length > 0) return []
  return [`${id} has no scope, so every route that requires one refuses it: create another with --scope NAME`]
}

/** By route. */
const hints: Readonly<Record<string, (answer: never) => string[]>> = {
  'POST /clients': hintsOfClient,
  'PATCH /clients/:id': hintsOfClient,
  'POST /resources': hintsOfResource,
  'PATCH /resources/:id': hintsOfResource,
  'POST /mcp-servers': hintsOfResource,
  'PATCH /mcp-servers/:id': hintsOfResource,
  'POST /api-keys': hintsOfKey,
  'POST /api-keys/import': hintsOfKey,
  'PATCH /api-keys/:id': hintsOfKey,
  'POST /publishable-keys': hintsOfFixed,
  'POST /access-tokens': hintsOfFixed,
}

/**
 * A table of callers in front of a protected API: one for each reason of the judge, in every style, and some that pass.
 * Each way of asking for a decision gives each of them the same answer. The guard of the process itself is the first
 * way; add a way by one more `Ask`.
 */
import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { Latchkey } from '../../src/app.ts'
import { createResource } from '../../src/domain/declaration/resource-declaration.ts'
import type { Reason } from '../../src/domain/access/principal.ts'
import { errorStyleNames, styles, takesKeysAsBearer, type ErrorStyleName } from '../../src/domain/resources/style.ts'
import { wirePrincipal } from '../../src/management/schemas/principal.ts'
import { newApiKeyText } from '../../src/secrets/credential-text.ts'
import type { Answer, Json, TestServer } from '../support/test-server.ts'

/** What a call needs, as the config of a guarded route declares it. */
export interface Needs {
  scopes?: string[]
  apiKeyOnly?: true
  organization?: string
  feature?: string
  object?: { type: string, id: string }
  credits?: number
  environment?: 'live'
}

/** A caller and its request. */
export interface Situation {
  title: string
  /** The precise reason; null: it passes. */
  reason: Reason | null
  style: ErrorStyleName
  /** The identifier of the resource. */
  resource: string
  kind: 'api_key' | 'access_token'
  credential: string
  /** Makes the credential of each way anew, where its answer counts how often it was used. */
  renew?: () => Promise<string>
  needs: Needs
  /** Of the caller, in 127.0.0.0/8. */
  address: string
  /** Below the origin of the server; a guarded route with these needs is there. */
  path: string
}

/** What a caller gets: a refusal, or of a call that passes the principal as its body. `headers`: those compared. */
export interface Answered { status: number, headers: Record<string, string>, body: string }

/** A way of asking whether a caller may pass. */
export type Ask = (situation: Situation) => Promise<Answered>

/**
 * Reasons that speak of the form of a request or of its route, of which no way but the guard is asked, and the one of
 * budgets, which only reservations find: test/decision/spending.test.ts.
 */
export const reasonsOfRequests: readonly Reason[] = [
  'no_credential', 'several_credentials', 'credential_in_query', 'key_as_bearer', 'tls_required', 'session_required',
  'person_required', 'cross_site_request', 'reauthentication_required', 'insufficient_budget'
]

/** The headers of a decision; those that a server adds to every answer are its own. */
const compared = [
  'www-authenticate', 'content-type', 'cache-control', 'retry-after', 'ratelimit', 'ratelimit-policy'
]

export function answered ({ status, headers, text }: Pick<Answer, 'status' | 'headers' | 'text'>): Answered {
  const kept = compared.filter(name => headers[name] !== undefined).map(name => [name, String(headers[name])])
  return { status, headers: Object.fromEntries(kept) as Record<string, string>, body: text }
}

/** The guard in the process of the API: the measure of every other way. */
export function guardOf (server: TestServer): Ask {
  return async ({ kind, credential, style, address, path }) => {
    const asBearer = kind === 'access_token' || takesKeysAsBearer(styles[style])
    const answer = await server.send({
      path,
      from: address,
      headers: asBearer ? { authorization: `Bearer ${credential}` } : { 'x-api-key': credential }
    })
    // The API itself answers a call that passes: what its guard adds are the fields of the limits.
    return answer.status === 200 ? passed(answer.headers as Record<string, string>, answer.text) : answered(answer)
  }
}

/** A call that passes. */
export function passed (headers: Record<string, string>, principal: string): Answered {
  const { status, body, headers: { ratelimit, 'ratelimit-policy': policy } } = answered(
    { status: 200, headers, text: principal }
  )
  return { status, headers: ratelimit === undefined ? {} : { ratelimit, 'ratelimit-policy': policy! }, body }
}

/** Compares ways of asking with the first, situation by situation. The clock has to stand still. */
export async function compareWays (
  t: Test, situations: readonly Situation[], [first, ...others]: readonly [string, Ask][]
): Promise<void> {
  for (const situation of situations) {
    const measure = await askRenewed(first![1], situation)
    t.equal(measure.status === 200, situation.reason === null, `${situation.title}: ${first![0]} ${measure.status}`)
    for (const [name, ask] of others) {
      t.strictSame(await askRenewed(ask, situation), measure, `${situation.title}: ${name}`)
    }
  }
}

/** Of a credential that is made anew the answer keeps all but its id. */
async function askRenewed (ask: Ask, situation: Situation): Promise<Answered> {
  if (situation.renew === undefined) return await ask(situation)
  const answer = await ask({ ...situation, credential: await situation.renew() })
  return { ...answer, body: answer.body.replace(/key_\w{22}/, 'key_…') }
}

export function resourceOf (issuer: string, style: ErrorStyleName): string {
  return `${issuer}/${style}`
}

/** Mounts a protected API of each style, with a route for each kind of need. */
export async function mountReasons (app: FastifyInstance, latchkey: Latchkey): Promise<void> {
  for (const style of errorStyleNames) {
    const resource = resourceOf(latchkey.config.issuer, style)
    await createResource(latchkey.operation, {
      identifier: resource,
      scopes: ['invoices:read', 'invoices:write'].map(name => ({ name, keyOnly: false, description: null })),
      style: { ...styles[style], requireTls: false },
      mostCredits: 5
    })
    const scopes = ['invoices:read']
    const answer = async ({ principal }: { principal: Parameters<typeof wirePrincipal>[0] }) => wirePrincipal(principal)
    await app.register(async api => {
      await api.register(latchkey.guard, { resource })
      api.get('/invoices', { config: { scopes } }, answer)
      api.get('/keys-only', { config: { scopes: [], apiKeyOnly: true } }, answer)
      api.get('/organizations/:organization', { config: { scopes, organization: 'organization' } }, answer)
      api.get('/embedded', { config: { scopes: [], feature: 'embedding' } }, answer)
      api.get('/projects/:id', { config: { scopes: [], object: { type: 'projects', param: 'id' } } }, answer)
      api.get('/costly', { config: { scopes: [], credits: 5 } }, answer)
    }, { prefix: `/${style}` })
    await app.register(async api => {
      await api.register(latchkey.guard, { resource, environment: 'live' })
      api.get('/invoices', { config: { scopes } }, answer)
    }, { prefix: `/${style}/live` })
  }
}

type Caller = Pick<Situation, 'reason' | 'credential'> & Partial<Situation>

/** The situations of one style. Moves the clock, and uses up the limits of the keys that have some. */
export async function situationsOf (server: TestServer, style: ErrorStyleName): Promise<Situation[]> {
  const resource = resourceOf(server.issuer, style)
  const world = await worldOf(server, resource)
  const callers: Record<string, Caller> = {
    ...await goodAndBadOnes(server, style, world),
    ...await limitedInReach(server, world),
    ...await spent(world),
  }
  const situations = Object.entries(callers).map(([title, caller]): Situation => {
    const path = caller.path ?? '/invoices'
    return {
      title: `${style}: ${title}`,
      style,
      resource,
      kind: 'api_key',
      needs: path === '/invoices' ? { scopes: ['invoices:read'] } : {},
      address: '127.0.0.1',
      ...caller,
      path: `/${style}${path}`
    }
  })
  const guard = guardOf(server)
  for (const situation of situations) if (usedUp.has(situation.reason)) await guard(situation)
  return situations
}

/** Reasons of calls whose first passes. */
const usedUp = new Set<Reason | null>(['rate_limited', 'quota_exceeded'])

interface World {
  organization: string
  other: string
  key (input?: Json): Promise<Json & { id: string, key: string }>
  client (input?: Json): Promise<{ clientId: string, clientSecret: string }>
  token (client: { clientId: string, clientSecret: string }): Promise<string>
  make (path: string, body: Json): Promise<Json>
}

async function worldOf (server: TestServer, resource: string): Promise<World> {
  const make = async (path: string, body: Json, method = 'POST'): Promise<Json> => {
    const answer = await server.admin(method, path, body)
    if (answer.status > 201) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  const features = ['custom-scopes']
  const organization = (await make('/organizations', { name: 'Acme', features })).id as string
  const other = (await make('/organizations', { name: 'Bolt', features })).id as string
  const grants = [{ resource, scopes: ['invoices:read'] }]
  return {
    organization,
    other,
    make,
    key: async (input = {}) => await server.createKey({ organization, resource, ...input }),
    client: async (input = {}) => await server.createClient({ organization, grants, ...input }),
    token: async client => await server.tokenFor(client, { resource })
  }
}

/** Callers that are refused for their credential itself, or pass. */
async function goodAndBadOnes (
  server: TestServer, style: ErrorStyleName, { organization, key, client, token, make }: World
): Promise<Record<string, Caller>> {
  const { keyPrefix } = styles[style]
  const access = { kind: 'access_token' } as const
  const inAMinute = new Date(server.clock.now().getTime() + 60_000).toISOString()
  const [expiring, old] = [await key({ expiresAt: inAMinute }), await token(await client())]
  server.clock.advance(4_000)
  const [revoked, rotated, ended, changed] = [await key(), await key(), await client(), await client()]
  const [disabled, off] = [await key(), await client()]
  const [endedToken, changedToken, offToken] = [await token(ended), await token(changed), await token(off)]
  await make(`/api-keys/${revoked.id}/revoke`, {})
  await make(`/api-keys/${rotated.id}/rotate`, { overlapSeconds: 0 })
  await make(`/clients/${ended.clientId}/revoke`, {})
  await make(`/api-keys/${disabled.id}/disable`, {})
  await make(`/clients/${off.clientId}/disable`, {})
  await server.admin('PATCH', `/clients/${changed.clientId}`, { allowlist: ['127.0.0.0/8'] })
  const suspended = (await make('/organizations', { name: 'Gone', features: ['custom-scopes'] })).id as string
  const theirs = await key({ organization: suspended })
  await server.admin('PATCH', `/organizations/${suspended}`, { status: 'suspended' })
  await make('/api-keys/import', {
    organization,
    resource: resourceOf(server.issuer, style),
    environment: 'live',
    name: 'old',
    access: 'full',
    digest: createHash('sha256').update('a key of another system').digest('base64url'),
    hint: 'a …'
  })
  const [elsewhere, foreign] = [await server.createKey(), await server.createClient()]
  return {
    'a good key': { reason: null, credential: (await key()).key },
    'a good token': { reason: null, credential: await token(await client()), ...access },
    'no key at all': { reason: 'malformed', credential: 'short' },
    'no token of ours': { reason: 'malformed', credential: 'eyJhbGciOiJFUzI1NiJ9.e30.AAAA', ...access },
    'an unknown imported key': { reason: 'unknown', credential: 'another key of another system' },
    'a key of another deployment': { reason: 'foreign_deployment', credential: newApiKeyText(keyPrefix, 'live') },
    'a key of another resource': { reason: 'wrong_resource', credential: elsewhere.key },
    'a token of another resource': { reason: 'wrong_resource', credential: await server.tokenFor(foreign), ...access },
    'a revoked key': { reason: 'revoked', credential: revoked.key },
    'a token of a revoked client': { reason: 'revoked', credential: endedToken, ...access },
    'a disabled key': { reason: 'disabled', credential: disabled.key },
    'a token of a disabled client': { reason: 'disabled', credential: offToken, ...access },
    'an expired key': { reason: 'expired', credential: expiring.key },
    'an expired token': { reason: 'expired', credential: old, ...access },
    'a replaced key': { reason: 'rotated', credential: rotated.key },
    'a token from before a change': { reason: 'superseded', credential: changedToken, ...access },
    'a key of a suspended organization': { reason: 'organization_suspended', credential: theirs.key }
  }
}

/** Callers whose credential is good, for another call. */
async function limitedInReach (
  server: TestServer, { organization, other, key, client, token, make }: World
): Promise<Record<string, Caller>> {
  const access = { kind: 'access_token' } as const
  const listed = await key({ allowlist: ['127.0.0.2'] })
  const [plain, weak, test] = [await key(), await key({ scopes: [] }), await key({ environment: 'test' })]
  const restricted = await key({ objects: { projects: ['prj_1'] } })
  const denied = await key()
  await make('/policies', {
    organization, name: 'not from there', effect: 'deny', conditions: { addresses: ['127.0.0.7'] }
  })
  const scopes = ['invoices:read']
  const named = (id: string) => ({ path: `/organizations/${id}`, needs: { scopes, organization: id } })
  const project = (id: string) => ({ path: `/projects/${id}`, needs: { object: { type: 'projects', id } } })
  return {
    'a key from its address': { reason: null, credential: listed.key, address: '127.0.0.2' },
    'a key from another address': { reason: 'address_not_allowed', credential: listed.key },
    'a key of the other environment': {
      reason: 'wrong_environment', credential: test.key, path: '/live/invoices', needs: { scopes, environment: 'live' }
    },
    'a key for its organization': { reason: null, credential: plain.key, ...named(organization) },
    'a key for another organization': { reason: 'organization_not_found', credential: plain.key, ...named(other) },
    'a plan that lacks it': {
      reason: 'feature_missing', credential: plain.key, path: '/embedded', needs: { feature: 'embedding' }
    },
    'a key without the scope': { reason: 'insufficient_scope', credential: weak.key },
    'a key that a policy denies': { reason: 'policy_denied', credential: denied.key, address: '127.0.0.7' },
    'a key for its object': { reason: null, credential: restricted.key, ...project('prj_1') },
    'a key for another object': { reason: 'object_not_allowed', credential: restricted.key, ...project('prj_2') },
    'a token where a key is needed': {
      reason: 'api_key_required',
      credential: await token(await client()),
      ...access,
      path: '/keys-only',
      needs: { apiKeyOnly: true }
    }
  }
}

/** Callers that have used up what they may use. */
async function spent ({ key }: World): Promise<Record<string, Caller>> {
  const withRoom = async () => (await key({ callsPerMinute: 9, callsPerMonth: 9 })).key
  return {
    'a key with room in its minute': { reason: null, credential: '', renew: withRoom },
    'a key without room in its minute': { reason: 'rate_limited', credential: (await key({ callsPerMinute: 1 })).key },
    'a key without calls in its month': {
      reason: 'quota_exceeded', credential: (await key({ callsPerMonth: 1 })).key
    },
    'an organization without credits': {
      reason: 'insufficient_credits', credential: (await key()).key, path: '/costly', needs: { credits: 5 }
    }
  }
}

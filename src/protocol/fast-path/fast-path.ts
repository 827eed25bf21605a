/**
 * The fast path around oidc-provider: a plain request that succeeds is answered here, as the provider would have
 * answered it to the last byte. Every other request, unusual, refused or in doubt, goes to the provider with its body
 * unread. Nothing is counted or recorded before it is certain that the answer is given here.
 */
import type { FastifyRequest } from 'fastify'
import { randomFillSync } from 'node:crypto'
import { addressOf, readAddress } from '../../base/ip-address.ts'
import type { Awaitable } from '../../base/awaitable.ts'
import { epochSeconds } from '../../base/clock.ts'
import { digestOf } from '../../secrets/digest.ts'
import { inSpan } from '../../telemetry/tracing.ts'
import { isActive, type Client } from '../../domain/credentials/client.ts'
import { isAbandoned } from '../../domain/credentials/client-registration.ts'
import { signJwt } from '../../domain/tokens/jws.ts'
import { signerFor, type KeyRing } from '../../domain/tokens/signing-key.ts'
import type { LastUsedRecorder } from '../../domain/metering/last-used.ts'
import {
  holdsSecret, reasonAgainstClient, sharesSecret, type LookedUp
} from '../provider/client-authentication.ts'
import { introspect, type IntrospectionOptions } from '../endpoints/introspection.ts'
import { longestScope } from '../shared/limits.ts'
import { paths } from '../shared/paths.ts'
import {
  plainBodyLength, presentedSecret, readPlainForm, takeBody, type PlainForm
} from './plain-request.ts'
import {
  decideGrant, noScope, underPolicies, type Granted, type GrantOptions
} from '../grants/client-credentials.ts'

export interface FastPathOptions extends Omit<GrantOptions, 'onPolicyDenied'>, IntrospectionOptions {
  issuer: string
  ring: () => KeyRing
  usage: LastUsedRecorder
}

/**
 * A request, and the client that was looked up for it, which the provider need not look up again. `warning`: a header
 * of the answer; null: none.
 */
export interface Passing { request: FastifyRequest, lookedUp: LookedUp | null, warning: string | null }

interface Endpoint {
  parameters: ReadonlySet<string>
  /** The body of the answer to an authenticated client. Null: the provider has to answer. */
  answer (options: FastPathOptions, client: Client, form: PlainForm, passing: Passing): Awaitable<string | null>
}

const endpoints: ReadonlyMap<string | undefined, Endpoint> = new Map<string, Endpoint>([
  [paths.token, {
    parameters: new Set(['grant_type', 'resource', 'scope', 'client_id', 'client_secret']), answer: issueToken
  }],
  [paths.introspection, {
    parameters: new Set(['token', 'token_type_hint', 'client_address', 'client_id', 'client_secret']),
    answer: answerIntrospection
  }]
])

/** The body of the answer with status 200. Null: the provider has to answer, and finds the request's body unread. */
export async function tryFastPath (options: FastPathOptions, passing: Passing): Promise<string | null> {
  const { raw } = passing.request
  const endpoint = endpoints.get(raw.url)
  const length = endpoint === undefined ? null : plainBodyLength(raw)
  const body = length === null ? null : await takeBody(raw, length)
  if (endpoint === undefined || body === null) return null
  const answer = await unlessItFails(options, endpoint, passing, body)
  if (answer === null) raw.unshift(body)
  else raw.resume()
  return answer
}

/** An error occurs for the provider, too, which has the answer to it. */
async function unlessItFails (
  options: FastPathOptions, endpoint: Endpoint, passing: Passing, body: Buffer
): Promise<string | null> {
  try {
    return await answerTo(options, endpoint, passing, body)
  } catch {
    return null
  }
}

// Awaits nothing that is in memory: each turn of the loop would cost as much as a look-up.
async function answerTo (
  options: FastPathOptions, { parameters, answer }: Endpoint, passing: Passing, body: Buffer
): Promise<string | null> {
  const { request } = passing
  const form = readPlainForm(body, parameters)
  const presented = form === null ? null : presentedSecret(request.headers, form)
  if (form === null || presented === null) return null
  const { registry, clock, usage } = options
  const { clientId, secret } = presented
  // Made before it is known whether there is such a client: the time of an answer must not tell (SECURITY T9).
  const digest = digestOf(secret)
  const found = registry.client(clientId)
  passing.lookedUp = { id: clientId, client: found }
  const client = found instanceof Promise ? await found : found
  const now = clock()
  if (client === null || !proves(client, digest, now)) return null
  const owner = client.organizationId === null ? null : registry.organization(client.organizationId)
  const organization = owner instanceof Promise ? await owner : owner
  if (reasonAgainstClient(client, organization, addressOf(request)) !== null) return null
  const answered = answer(options, client, form, passing)
  const text = answered instanceof Promise ? await answered : answered
  if (text !== null) usage.touch(client.id, now)
  return text
}

/** Whether a client may authenticate with a secret, and `digest` is that of one of its own. */
function proves (client: Client, digest: string, now: Date): boolean {
  return isActive(client) && !isAbandoned(client, now) && sharesSecret(client) &&
    holdsSecret(client, digest, now)
}

async function issueToken (
  options: FastPathOptions, client: Client, form: PlainForm, passing: Passing
): Promise<string | null> {
  if (
    form.grant_type !== 'client_credentials' || !client.metadata.grant_types.includes(form.grant_type) ||
    !isPlainScope(form.scope)
  ) return null
  const { registry, ring, tokens, telemetry: { metrics, tracing } } = options
  const { granted, deniedBy } = await underPolicies(
    options, client, await decideGrant(registry, client, form.resource), addressOf(passing.request)
  )
  if (deniedBy !== null) return null
  const scope = granted.scopes.join(' ') || undefined
  if (scope === undefined) passing.warning = noScope(client)
  const claims = claimsOf(options, client, granted, scope)
  const text = await inSpan(
    tracing, 'token issuance', () => signJwt(signerFor(ring(), granted.resource.signingAlgorithm), 'at+jwt', claims)
  )
  metrics.tokens.increment(form.grant_type)
  tokens.count(client.id, client.organizationId)
  return JSON.stringify({ access_token: text, token_type: 'Bearer', expires_in: granted.resource.tokenLifetime, scope })
}

const plainScope = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/

function isPlainScope (scope: string | undefined): boolean {
  return scope === undefined || (scope.length <= longestScope && plainScope.test(scope))
}

/** The claims of RFC 9068 §2.2 and ours, in the provider's order. */
function claimsOf (
  { issuer, clock }: FastPathOptions, client: Client, { resource }: Granted, scope: string | undefined
): object {
  const iat = epochSeconds(clock())
  return {
    jti: newJti(),
    sub: client.id,
    iat,
    exp: iat + resource.tokenLifetime,
    scope,
    client_id: client.id,
    iss: issuer,
    aud: resource.identifier,
    org_id: client.organizationId ?? undefined,
    gen: client.generation,
  }
}

const jtiLength = 32
const random = Buffer.alloc(128 * jtiLength)
let used = random.length

/** 256 random bits, as many characters as the provider's. Drawn many at a time: asking for few costs as much. */
function newJti (): string {
  if (used === random.length) {
    randomFillSync(random)
    used = 0
  }
  used += jtiLength
  return random.toString('base64url', used - jtiLength, used)
}

function answerIntrospection (
  options: FastPathOptions, client: Client, { token, client_address: from }: PlainForm, { request }: Passing
): Awaitable<string | null> {
  const address = from === undefined ? null : readAddress(from)
  if (token === undefined || (from !== undefined && address === null)) return null
  return introspect(options, client, token, { address, request })
}

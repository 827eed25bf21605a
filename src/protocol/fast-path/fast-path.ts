/**
 * The shortcut around oidc-provider: a plain request that succeeds is answered here, as the provider would have
 * answered it to the last byte. Everything else, whatever is unusual, refused or in doubt, goes to the provider with
 * its body unread, so that there is one judge of it. Nothing is counted or recorded before it is certain that the
 * answer is given here.
 */
import type { FastifyRequest } from 'fastify'
import { randomFillSync } from 'node:crypto'
import { addressOf, countedAddress, readAddress } from '../../base/ip-address.ts'
import { whenKnown, type Awaitable } from '../../base/awaitable.ts'
import { epochSeconds } from '../../base/clock.ts'
import { digestOf } from '../../secrets/digest.ts'
import { inSpan } from '../../telemetry/tracing.ts'
import type { Client } from '../../domain/credentials/client.ts'
import { isAbandoned } from '../../domain/credentials/client-registration.ts'
import { signJwt } from '../../domain/tokens/jws.ts'
import { signerFor, type KeyRing } from '../../domain/tokens/signing-key.ts'
import type { LastUsedRecorder } from '../../domain/metering/last-used.ts'
import type { WindowLimiter } from '../../domain/metering/window-limiter.ts'
import {
  failureKey, holdsSecret, reasonAgainstClient, sharesSecret, type LookedUp
} from '../provider/client-authentication.ts'
import { introspect, type IntrospectionOptions } from '../endpoints/introspection.ts'
import { paths } from '../shared/paths.ts'
import {
  plainBodyLength, presentedSecret, readPlainForm, takeBody, type PlainForm, type PresentedSecret
} from './plain-request.ts'
import {
  decideGrant, longestScope, noScope, underPolicies, type Granted, type GrantOptions
} from '../grants/client-credentials.ts'

export interface ShortcutOptions extends Omit<GrantOptions, 'onPolicyDenied'>, IntrospectionOptions {
  issuer: string
  ring: () => KeyRing
  usage: LastUsedRecorder
  /** Counts failures by client and address. */
  failures: WindowLimiter
}

/**
 * A request, and the client that was looked up for it: the provider need not do so again. `warning`: what is to be said
 * beside the answer; null: nothing.
 */
export interface Passing { request: FastifyRequest, lookedUp: LookedUp | null, warning: string | null }

interface Endpoint {
  parameters: ReadonlySet<string>
  /** The body of the answer to an authenticated client. Null: it is not for the shortcut to give. */
  answer (options: ShortcutOptions, client: Client, form: PlainForm, passing: Passing): Awaitable<string | null>
}

const endpoints: ReadonlyMap<string | undefined, Endpoint> = new Map<string, Endpoint>([
  [paths.token, {
    parameters: new Set(['grant_type', 'resource', 'scope', 'client_id', 'client_secret']), answer: issueToken
  }],
  [paths.introspection, {
    parameters: new Set(['token', 'token_type_hint', 'client_address', 'client_id', 'client_secret']),
    answer: tellOfToken
  }]
])

/** The body of the answer with status 200. Null: the provider has to answer, and finds the request's body unread. */
export async function tryFastPath (options: ShortcutOptions, passing: Passing): Promise<string | null> {
  const { raw } = passing.request
  const endpoint = endpoints.get(raw.url)
  const length = endpoint === undefined ? null : plainBodyLength(raw)
  const body = length === null ? null : await takeBody(raw, length)
  if (endpoint === undefined || body === null) return null
  const answer = await unlessItFails(() => answerTo(options, endpoint, passing, body))
  if (answer === null) raw.unshift(body)
  else raw.resume()
  return answer
}

/** Whatever goes wrong goes wrong for the provider too, which knows what to say of it. */
function unlessItFails (work: () => Awaitable<string | null>): Awaitable<string | null> {
  try {
    const done = work()
    return done instanceof Promise ? done.catch(() => null) : done
  } catch {
    return null
  }
}

function answerTo (
  options: ShortcutOptions, { parameters, answer }: Endpoint, passing: Passing, body: Buffer
): Awaitable<string | null> {
  const { request } = passing
  const form = readPlainForm(body, parameters)
  const presented = form === null ? null : presentedSecret(request.headers, form)
  if (form === null || presented === null) return null
  return whenKnown(authenticate(options, passing, presented), client =>
    client === null ? null : whenKnown(answer(options, client, form, passing), noteUnlessNull, options, client))
}

function noteUnlessNull (answer: string | null, { usage }: ShortcutOptions, { id }: Client): string | null {
  if (answer !== null) usage.touch(id)
  return answer
}

/** The client, if it proves who it is and nothing stands in its way. */
function authenticate (
  { registry, clock, failures }: ShortcutOptions, passing: Passing, { clientId, secret }: PresentedSecret
): Awaitable<Client | null> {
  if (failures.exhausted(failureKey(clientId, countedAddress(passing.request))) !== null) return null
  // Made before it is known whether there is such a client: that must not be told by how long an answer takes (SECURITY
  // T9).
  const digest = digestOf(secret)
  passing.lookedUp = { id: clientId, client: registry.client(clientId) }
  return whenKnown(passing.lookedUp.client, client => {
    const now = clock()
    if (
      client === null || client.revokedAt !== null || isAbandoned(client, now) || !sharesSecret(client) ||
      !holdsSecret(client, digest, now)
    ) return null
    return whenKnown(
      reasonAgainstClient(registry, client, addressOf(passing.request)), obstacle => obstacle === null ? client : null
    )
  })
}

async function issueToken (
  options: ShortcutOptions, client: Client, form: PlainForm, passing: Passing
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
  { issuer, clock }: ShortcutOptions, client: Client, { resource }: Granted, scope: string | undefined
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

function tellOfToken (
  options: ShortcutOptions, client: Client, { token, client_address: from }: PlainForm, { request }: Passing
): Awaitable<string | null> {
  const address = from === undefined ? null : readAddress(from)
  if (token === undefined || (from !== undefined && address === null)) return null
  return introspect(options, client, token, { address, request })
}

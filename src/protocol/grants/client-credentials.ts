/** The client credentials grant (RFC 6749 §4.4): a client gets the scopes that were configured for it (LB-08). */
import type { KoaContextWithOIDC, Provider, TokenEndpointGrantContext } from 'oidc-provider'
import { errors } from 'oidc-provider'
import type { Clock } from '../../base/clock.ts'
import type { Client } from '../../domain/credentials/client.ts'
import { policiesFor } from '../../domain/access/policy-lookup.ts'
import { evaluate } from '../../domain/policy/policy-evaluation.ts'
import type { Registry } from '../../domain/access/registry.ts'
import { hostResourceId, type Resource } from '../../domain/resources/resource.ts'
import { normalIdentifier } from '../../domain/resources/resource-identifier.ts'
import { grantableNow } from '../../domain/resources/scope.ts'
import { signerFor, type KeyRing } from '../../domain/tokens/signing-key.ts'
import type { TokenMeter } from '../../domain/tokens/issuance-meter.ts'
import { inSpan } from '../../telemetry/tracing.ts'
import { warnings } from '../../http/process-warning.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { recordOf } from '../provider/client-authentication.ts'
import { longestScope } from '../shared/limits.ts'

/** The result of a grant: a resource, and the client's scopes on it. */
export interface Granted { resource: Resource, scopes: string[] }

/**
 * Decides the grant of a client. `requested` is the request's `resource` (RFC 8707 §2); without it the client's first
 * grant counts. A client without grants, such as one registered openly, gets a token for the host without any scope.
 * @throws errors.InvalidTarget
 */
export async function decideGrant (
  registry: Registry, client: Client, requested: string | readonly string[] | undefined
): Promise<Granted> {
  const asked = requested === undefined ? [] : typeof requested === 'string' ? [requested] : requested
  const wanted = asked.length < 2 ? asked : [...new Set(asked.map(normalIdentifier))]
  if (wanted.length > 1) throw new errors.InvalidTarget('A token is for one resource: send one `resource`.')
  const resource = wanted[0] === undefined
    ? await defaultResource(registry, client)
    : await grantedResource(registry, client, wanted[0])
  const grant = client.grants.find(each => each.resourceId === resource.id)
  return { resource, scopes: grantableNow(grant?.scopes ?? [], resource.scopes) }
}

async function defaultResource (registry: Registry, client: Client): Promise<Resource> {
  const resource = await registry.resource(client.grants[0]?.resourceId ?? hostResourceId)
  if (resource !== null && resource.revokedAt === null) return resource
  throw new errors.InvalidTarget(
    'The default resource of this client no longer exists; send another one in `resource`.'
  )
}

async function grantedResource (registry: Registry, client: Client, identifier: string): Promise<Resource> {
  const resource = await registry.resourceByIdentifier(identifier)
  if (resource !== null && resource.revokedAt === null && mayUse(client, resource)) return resource
  throw new errors.InvalidTarget('This client has no access to the requested resource, or the resource does not exist.')
}

function mayUse (client: Client, resource: Resource): boolean {
  return client.grants.length === 0
    ? resource.id === hostResourceId
    : client.grants.some(grant => grant.resourceId === resource.id)
}

type GrantContext = TokenEndpointGrantContext<{ resource?: string | string[], scope?: string }>

/** The dependencies of the grant. */
export interface GrantOptions {
  registry: Registry
  clock: Clock
  telemetry: Telemetry
  /** Counts issued tokens. */
  tokens: TokenMeter
  /** Called for a client that a policy refuses, with the policy's id. */
  onPolicyDenied (ctx: KoaContextWithOIDC, client: Client, policy: string): void
}

/**
 * Removes the scopes that policies deny this client now, from this address. `deniedBy`: the policy that left none, so
 * that the client gets no token at all; null: some are left, or policies took none.
 */
export async function underPolicies (
  { registry, clock }: Pick<GrantOptions, 'registry' | 'clock'>,
  { organizationId }: Client,
  granted: Granted,
  address: string
): Promise<{ granted: Granted, deniedBy: string | null }> {
  const subject = { kind: 'access_token' as const, organizationId, groups: [], resourceId: granted.resource.id }
  const { refusedBy, scopes, withheld } = evaluate(
    await policiesFor(registry, organizationId), subject, granted.scopes, { address, now: clock() }
  )
  const [first = null] = withheld.values()
  return { granted: { ...granted, scopes: [...scopes] }, deniedBy: refusedBy ?? (scopes.length === 0 ? first : null) }
}

/** @throws errors.InvalidTarget, errors.InvalidScope */
async function grantNow (options: GrantOptions, ctx: GrantContext, client: Client): Promise<Granted> {
  const decided = await decideGrant(options.registry, client, ctx.oidc.params.resource)
  const { granted, deniedBy } = await underPolicies(options, client, decided, ctx.ip)
  if (deniedBy === null) return granted
  options.onPolicyDenied(ctx, client, deniedBy)
  throw new errors.InvalidScope(
    'an access policy denies this client every scope from this address at this time', decided.scopes.join(' ')
  )
}

/**
 * Registers the grant. The provider refuses a repeated or malformed `scope` (RFC 6749 §3.2, §3.3); a well-formed one is
 * ignored (LB-08). Tokens are signed with the keys of `ring`, which the provider has.
 */
export function registerClientCredentials (provider: Provider, options: GrantOptions, ring: KeyRing): void {
  provider.registerGrantType(
    'client_credentials',
    async (ctx: GrantContext) => {
      const { client, params } = ctx.oidc
      if ((params.scope?.length ?? 0) > longestScope) {
        throw new errors.InvalidScope(
          `scope is longer than ${longestScope} characters`,
          params.scope!.slice(0, 32)
        )
      }
      const record = recordOf(client)
      const { metrics, tracing } = options.telemetry
      const { resource, scopes } = await grantNow(options, ctx, record)
      const scope = scopes.join(' ') || undefined
      const token = new provider.ClientCredentials({ client, scope })
      const { algorithm: alg, kid } = signerFor(ring, resource.signingAlgorithm)
      token.resourceServer = new provider.ResourceServer(resource.identifier, {
        scope: scope ?? '',
        audience: resource.identifier,
        accessTokenFormat: 'jwt',
        accessTokenTTL: resource.tokenLifetime,
        jwt: { sign: { alg, kid } }
      })
      ctx.oidc.entity('ClientCredentials', token)
      const text = await inSpan(tracing, 'token issuance', () => token.save())
      metrics.tokens.increment('client_credentials')
      options.tokens.count(record.id, record.organizationId)
      if (scope === undefined) ctx.set('warning', noScope(record))
      // Without a granted scope the member is omitted: RFC 6749 §3.3 has no empty scope.
      ctx.body = {
        access_token: text,
        token_type: 'Bearer',
        expires_in: token.expiration,
        ...(scope === undefined ? {} : { scope })
      }
    },
    ['resource', 'scope'],
    ['resource']
  )
}

/** The `Warning` header for a token without scope; the body stays as in RFC 6749 §5.1. */
export function noScope ({ id }: Client): string {
  return warnings([
    `This token has no scope, and no route that requires one accepts it: the client ${id} has no scope for this ` +
    'resource; an operator grants scopes with latchkey client update',
  ])
}

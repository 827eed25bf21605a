/**
 * Identity Assertion JWT Authorization Grants (ID-JAG; draft-ietf-oauth-identity-assertion-authz-grant): an identity
 * provider that is trusted lets a client act for a person. The client proves itself, which oidc-provider sees to.
 */
import type { Provider, TokenEndpointGrantContext } from 'oidc-provider'
import type { FastifyRequest } from 'fastify'
import { addressOf } from '../../base/ip-address.ts'
import { jwtBearer } from '../../domain/client-metadata/grant-types.ts'
import type { Client } from '../../domain/credentials/client.ts'
import { normalIdentifier } from '../../domain/resources/resource-identifier.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import { splitScope } from '../../domain/resources/scope.ts'
import { examine, type AssertionClaims, type Examination } from '../../domain/workloads/assertion.ts'
import { recordOf } from '../provider/client-authentication.ts'
import { contextOf } from '../provider/request-context.ts'
import { OAuthError } from '../shared/oauth-error.ts'
import { assertionOptions, publicRefusal, unavailable, type WorkloadGrantOptions } from './workload-grant.ts'
import { detailOf, issueToWorkload, NoToken, type NoTokenReason, type WorkloadTokenOptions } from './workload-token.ts'

/** The value of `authorization_grant_profiles_supported`, where an issuer is trusted for it. */
export const idJagProfile = 'urn:ietf:params:oauth:grant-profile:id-jag'

type GrantContext = TokenEndpointGrantContext<{ assertion?: string, resource?: string | string[], scope?: string }>

/** The provider has read the request and authenticated the client, whatever grants it is registered for. */
export function registerIdJag (provider: Provider, options: WorkloadGrantOptions): void {
  provider.registerGrantType(jwtBearer, async (ctx: GrantContext) => {
    const { client, params } = ctx.oidc
    const resource = typeof params.resource === 'string' ? [params.resource] : params.resource ?? []
    ctx.body = await answerTo(options, {
      client: recordOf(client),
      http: contextOf(ctx).request,
      text: params.assertion ?? '',
      scope: params.scope || undefined,
      asked: resource
    })
  }, ['assertion', 'resource', 'scope'], ['resource'])
}

interface IdJagRequest {
  client: Client
  http: FastifyRequest
  text: string
  scope: string | undefined
  /** The values of the parameter `resource`. */
  asked: readonly string[]
}

async function answerTo (options: WorkloadGrantOptions, request: IdJagRequest): Promise<object> {
  const { client, http, text, scope, asked } = request
  if (client.metadata.token_endpoint_auth_method === 'none') {
    throw new OAuthError(401, 'invalid_client', 'A client that acts for people by ID-JAG has to prove itself.')
  }
  const found = await examine(assertionOptions(options), { text, profile: 'id-jag', client })
  if (!found.ok) throw refused(options, request, found, found.reason, found.detail)
  try {
    const { issuer, claims, subject } = found
    const resource = await resourceOf(options, claims, client, asked)
    return await issueToWorkload(options, {
      trust: { id: issuer.id, issuer, rule: null },
      client,
      resource,
      limit: limitOf(claims),
      claims,
      subject,
      http,
      scope
    })
  } catch (error) {
    throw error instanceof NoToken ? refused(options, request, found, error.reason, error.message) : error
  }
}

/** The scopes of the assertion; null: it names none. @throws NoToken for a claim that is no text (RFC 8693 §4.2). */
function limitOf ({ scope }: AssertionClaims): string[] | null {
  if (scope === undefined) return null
  if (typeof scope === 'string') return splitScope(scope)
  throw new NoToken('malformed', 'scope has to be a text.')
}

/** The one resource that the assertion, the request and a grant of the client name. @throws NoToken */
async function resourceOf (
  { registry }: WorkloadTokenOptions, { client_id: clientId, resource: claimed }: AssertionClaims, client: Client,
  asked: readonly string[]
): Promise<Resource> {
  if (clientId !== client.id) throw new NoToken('wrong_client', 'client_id of the assertion is another client.')
  const named = Array.isArray(claimed) && claimed.length === 1 ? claimed[0] as unknown : claimed
  if (typeof named !== 'string') throw new NoToken('wrong_resource', 'The assertion has to name one resource.')
  if (asked.some(each => normalIdentifier(each) !== normalIdentifier(named))) {
    throw new NoToken('wrong_resource', 'The request asks for another resource than the assertion is for.')
  }
  const resource = await registry.resourceByIdentifier(named)
  const isGranted = client.grants.some(({ resourceId }) => resourceId === resource?.id)
  if (resource !== null && resource.revokedAt === null && isGranted) return resource
  throw new NoToken('wrong_resource', 'The client has no grant for the resource of the assertion.')
}

function refused (
  { refusals, telemetry: { metrics } }: WorkloadTokenOptions, { client, http }: IdJagRequest,
  { subject, issuers }: Examination, reason: NoTokenReason, detail: string
): OAuthError {
  metrics.assertions.increment(reason, 'id-jag')
  const about = issuers.find(each => each.reason === reason || each.reason === null)
  refusals.record({
    type: 'workload.refused',
    reason,
    subject: client.id,
    organizationId: client.organizationId,
    address: addressOf(http),
    requestId: http.id,
    detail: { ...detailOf(subject), issuer: about?.issuer.id ?? null, detail }
  })
  return unavailable(reason) ?? new OAuthError(400, 'invalid_grant', publicRefusal)
}

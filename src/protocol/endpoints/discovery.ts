/** The discovery documents. Every endpoint and feature that they name works, and none depends on the request. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { clientGrantTypes, jwtBearer } from '../../domain/client-metadata/grant-types.ts'
import { clientAuthMethods, provingMethods } from '../../domain/credentials/client.ts'
import { assertionAlgorithms } from '../../domain/credentials/client-keys.ts'
import { hostedResourceId, resourceMetadata } from '../../domain/resources/resource-metadata.ts'
import { hostResourceId, managementResourceId, type Resource } from '../../domain/resources/resource.ts'
import { idTokenAlgorithms, publicationTime, type KeyRing } from '../../domain/tokens/signing-key.ts'
import type { Store } from '../../domain/store.ts'
import { Failure } from '../../base/errors.ts'
import { unlisted } from '../../http/route-schema.ts'
import { claimsOfScopes, identityScopes } from '../authorization/identity.ts'
import { anyOrigin, preflight } from './cross-origin.ts'
import { exchangeGrant } from '../grants/exchange-parameters.ts'
import { descriptions } from './discovery-descriptions.ts'
import { answerError, OAuthError } from '../shared/oauth-error.ts'
import type { ProtocolOptions } from '../shared/options.ts'
import { paths } from '../shared/paths.ts'
import { idJagProfile } from '../workloads/id-jag.ts'

const scopesMaxAge = 10
const open = { ...anyOrigin, 'cache-control': `public, max-age=${publicationTime}` }

/** The four well-known documents. */
export function discovery (options: ProtocolOptions) {
  return async (app: FastifyInstance): Promise<void> => {
    const scopes = declaredScopes(options)
    const profiles = grantProfiles(options)
    app.setErrorHandler((thrown, request, reply) => answerError(thrown, request, reply.headers(anyOrigin)))
    const document = async (reply: FastifyReply) =>
      await reply.headers(open).send({ ...serverMetadata(options, await scopes()), ...await profiles() })
    app.get(paths.serverMetadata, { schema: descriptions.serverMetadata }, (_request, reply) => document(reply))
    app.get(
      paths.openidConfiguration, { schema: descriptions.openidConfiguration }, (_request, reply) => document(reply)
    )
    app.get(
      paths.jwks,
      { schema: descriptions.jwks },
      async (_request, reply) =>
        await reply.headers(open).type('application/jwk-set+json').send(await publishedKeys(options))
    )
    app.get(
      paths.resourceMetadata, { schema: descriptions.hostMetadata },
      async (_request, reply) => await describe(options, await options.registry.resource(hostResourceId), reply)
    )
    app.get(`${paths.resourceMetadata}/*`, { schema: descriptions.resourceMetadata }, async (request, reply) => {
      const path = request.url.slice(paths.resourceMetadata.length)
      return await describe(
        options, await options.registry.resourceByIdentifier(options.issuer + path) ?? await hosted(options, path),
        reply
      )
    })
    // Requested by clients that take the issuer, or the API, to have a path (RFC 8414 §3.1).
    const pathless = [`${paths.serverMetadata}/*`, `${paths.openidConfiguration}/*`]
    for (const each of pathless) {
      app.get(each, { schema: unlisted }, () => {
        throw noPath(options.issuer)
      })
    }
    const url = [
      paths.serverMetadata, paths.openidConfiguration, paths.jwks, paths.resourceMetadata,
      `${paths.resourceMetadata}/*`, ...pathless
    ]
    for (const each of url) app.options(each, { schema: unlisted }, (_request, reply) => preflight(reply, 'GET'))
  }
}

function noPath (issuer: string): OAuthError {
  const found = issuer + paths.serverMetadata
  return new OAuthError(404, 'not_found', `The issuer ${issuer} has no path; its metadata is at ${found}.`)
}

/** RFC 8414 §2, with the members that OpenID Connect Discovery §3 requires. */
function serverMetadata (
  { issuer, registration, ring, people, hostedClients }: ProtocolOptions, scopes: readonly string[]
) {
  const authMethods = [...provingMethods]
  const publicToo = people === undefined ? authMethods : [...clientAuthMethods]
  const algorithms = [...assertionAlgorithms]
  return {
    issuer,
    // Discovery clients require it; without the authorization code grant it answers that it has no response type.
    authorization_endpoint: issuer + paths.authorization,
    token_endpoint: issuer + paths.token,
    jwks_uri: issuer + paths.jwks,
    ...(registration === 'closed' ? {} : { registration_endpoint: issuer + paths.registration }),
    ...(hostedClients === undefined ? {} : { client_id_metadata_document_supported: true }),
    introspection_endpoint: issuer + paths.introspection,
    revocation_endpoint: issuer + paths.revocation,
    ...(scopes.length > 0 ? { scopes_supported: scopes } : {}),
    ...(people === undefined ? {} : ofCodeFlow(issuer, scopes)),
    // Present though empty: §2 requires it, and clients refuse a document without it. §3.2 omits other empty members.
    response_types_supported: people === undefined ? [] : ['code'],
    grant_types_supported: [
      ...(people === undefined ? ['client_credentials'] : clientGrantTypes), exchangeGrant, jwtBearer
    ],
    token_endpoint_auth_methods_supported: publicToo,
    token_endpoint_auth_signing_alg_values_supported: algorithms,
    introspection_endpoint_auth_methods_supported: authMethods,
    introspection_endpoint_auth_signing_alg_values_supported: algorithms,
    revocation_endpoint_auth_methods_supported: publicToo,
    revocation_endpoint_auth_signing_alg_values_supported: algorithms,
    // go-sdk and other clients refuse a server without this member.
    code_challenge_methods_supported: ['S256'],
    subject_types_supported: ['public'],
    // Verifiers read the algorithms of all tokens from here, not of ID tokens alone: those of the JWKS, too.
    id_token_signing_alg_values_supported: [
      ...new Set([...(people === undefined ? [] : idTokenAlgorithms), ...ring().jwks.keys.map(({ alg }) => alg)])
    ],
  }
}

/** The members that RFC 9126 §5, RFC 9207 §3 and OpenID Connect Discovery §3 define. */
function ofCodeFlow (issuer: string, scopes: readonly string[]) {
  return {
    scopes_supported: [...identityScopes, ...scopes],
    response_modes_supported: ['query'],
    pushed_authorization_request_endpoint: issuer + paths.pushedRequest,
    authorization_response_iss_parameter_supported: true,
    userinfo_endpoint: issuer + paths.userinfo,
    claims_supported: ['iss', 'aud', 'exp', 'iat', 'nonce', 'at_hash', ...Object.values(claimsOfScopes).flat()],
    claim_types_supported: ['normal'],
    claims_parameter_supported: false,
    request_parameter_supported: false,
    // Absent, it would mean that they are: those of pushed requests alone are (RFC 9126).
    request_uri_parameter_supported: false,
    prompt_values_supported: ['none', 'login', 'consent'],
  }
}

/**
 * The scopes of the deployment's own resources that a token can carry. Resources of organizations and the management
 * API are not disclosed. Cached for ten seconds, and longer while the database is unavailable: it gives no authority.
 */
function declaredScopes ({ store, clock }: ProtocolOptions): () => Promise<readonly string[]> {
  let cached: { scopes: readonly string[], until: number } = { scopes: [], until: 0 }
  return async () => {
    const now = clock().getTime()
    if (now >= cached.until) {
      cached = { scopes: await readScopes(store).catch(() => cached.scopes), until: now + scopesMaxAge * 1_000 }
    }
    return cached.scopes
  }
}

/** Profiles of grants that an issuer is trusted for. Cached as the scopes are. */
function grantProfiles (
  { store, clock }: ProtocolOptions
): () => Promise<{ authorization_grant_profiles_supported?: string[] }> {
  let cached = { isTrusted: false, until: 0 }
  return async () => {
    const now = clock().getTime()
    if (now >= cached.until) {
      const isTrusted = await store.trustedIssuers.anyOf('id-jag').catch(() => cached.isTrusted)
      cached = { isTrusted, until: now + scopesMaxAge * 1_000 }
    }
    return cached.isTrusted ? { authorization_grant_profiles_supported: [idJagProfile] } : {}
  }
}

async function readScopes ({ resources }: Store): Promise<string[]> {
  const { items } = await resources.page({ limit: 200, after: null }, {})
  const own = items.filter(resource =>
    resource.organizationId === null && resource.revokedAt === null && resource.id !== managementResourceId
  )
  return [...new Set(own.flatMap(resource => resource.scopes.filter(scope => !scope.keyOnly).map(scope => scope.name)))]
    .sort()
}

/** The MCP server on another host whose metadata this server publishes; null: none. */
async function hosted ({ registry }: ProtocolOptions, path: string): Promise<Resource | null> {
  const id = hostedResourceId(path)
  const resource = id === null ? null : await registry.resource(id)
  return resource?.kind === 'mcp' ? resource : null
}

async function describe (
  { issuer }: ProtocolOptions, resource: Resource | null, reply: FastifyReply
): Promise<FastifyReply> {
  if (resource === null || resource.revokedAt !== null) {
    throw new OAuthError(404, 'not_found', 'There is no protected resource with this path.')
  }
  return await reply.headers(open).send(resourceMetadata(resource, issuer))
}

/** The published keys; the last known ones while the database is unavailable, as caches of the document have them. */
async function publishedKeys ({ ring, catchUp }: ProtocolOptions): Promise<KeyRing['jwks']> {
  try {
    await catchUp?.()
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'storage_unavailable')) throw error
  }
  return ring().jwks
}

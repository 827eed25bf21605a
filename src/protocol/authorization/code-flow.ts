/** The authorization code grant in oidc-provider: its configuration, and the places where it is made ours. */
import { errors, Provider, type Configuration, type KoaContextWithOIDC } from 'oidc-provider'
import { epochSeconds } from '../../base/clock.ts'
import { authorizationLifetime } from '../../domain/authorizations/allow.ts'
import { mayRefresh } from '../../domain/client-metadata/grant-types.ts'
import { derivedKey } from '../../secrets/sealing.ts'
import { recordOf, requireAdmissible } from '../provider/client-authentication.ts'
import { paths } from '../shared/paths.ts'
import type { CodeFlowOptions, SigningCodeFlow } from './code-flow-options.ts'
import { idTokenLifetime, useIdTokens } from './id-token.ts'
import { claimsOfScopes, identityScopes } from './identity.ts'
import { accountOf } from './member-account.ts'
import { useSessions } from './provider-session.ts'
import { useSuccessors } from './refresh-grace.ts'
import { grantOf, requestPolicy } from './request-policy.ts'
import { resourceIndicators } from './resource-servers.ts'
import { endReused, storedModels } from './stored-models.ts'

/** Seconds for which a code can be redeemed, and a person be asked. */
export const codeLifetime = 60
const questionLifetime = 600

/** Seconds without use after which a refresh token ends. */
const refreshIdle = 30 * 86_400

/** A refresh token ends when it is not used, and with its authorization. */
function refreshLifetime (ctx: KoaContextWithOIDC, now: Date): number {
  const end = ctx.oidc.entities.Grant!.iat! + authorizationLifetime
  return Math.max(1, Math.min(refreshIdle, end - epochSeconds(now)))
}

type Authorized = InstanceType<Provider['AuthorizationCode']> | InstanceType<Provider['RefreshToken']>

/** The part of the provider's configuration that this grant needs. */
export function codeFlowConfiguration (options: SigningCodeFlow): Configuration {
  const { issuer, people, clock } = options
  return {
    adapter: storedModels(options),
    routes: { authorization: paths.authorization, pushed_authorization_request: paths.pushedRequest },
    responseTypes: ['code'],
    scopes: [...identityScopes],
    claims: claimsOfScopes,
    pkce: { required: needsPkce },
    // A redirect URI that is missing, or sent twice, is not guessed: the error is shown to the person.
    allowOmittingSingleRegisteredRedirectUri: false,
    interactions: { url: (_ctx, { uid }) => `${people.interactionPath}/${uid}`, policy: requestPolicy(options) },
    // A session of ours remembers no grants, and what a person has allowed outlasts their session.
    expiresWithSession: () => false,
    issueRefreshToken: async (_ctx, client, { grantId }) => mayRefresh(recordOf(client).metadata) &&
      (await options.registry.authorization(grantId!))?.refreshable === true,
    rotateRefreshToken: () => true,
    revokeGrantPolicy: () => true,
    loadExistingGrant: async ctx => await grantOf(ctx, ctx.oidc.result?.consent?.grantId),
    findAccount: async (_ctx, id) => await accountOf(options, id),
    features: {
      resourceIndicators: resourceIndicators(options),
      pushedAuthorizationRequests: { enabled: true },
      revocation: { enabled: true, allowedPolicy: (_ctx, client, { clientId }) => clientId === client.clientId },
    },
    ttl: {
      AccessToken: (_ctx, token) => token.resourceServer!.accessTokenTTL!,
      AuthorizationCode: codeLifetime,
      IdToken: idTokenLifetime,
      Interaction: questionLifetime,
      RefreshToken: ctx => refreshLifetime(ctx, clock())
    },
    cookies: {
      keys: people.secrets.map(secret => derivedKey(secret, 'cookies of authorization requests v1')),
      names: cookieNames(issuer),
      short: { httpOnly: true, sameSite: 'lax', secure: issuer.startsWith('https:'), signed: true },
      long: { httpOnly: true, sameSite: 'lax', secure: issuer.startsWith('https:'), signed: true },
    },
  }
}

function cookieNames (issuer: string): Record<string, string> {
  const prefix = issuer.startsWith('https:') ? '__Secure-latchkey' : 'latchkey'
  return { interaction: `${prefix}_question`, resume: `${prefix}_request`, session: `${prefix}_unused` }
}

/**
 * A code without PKCE is bound to its request by the `nonce` of the ID token (RFC 9700 §2.1.1): an operator may let a
 * client that proves itself do so. A challenge that is sent counts all the same.
 */
function needsPkce ({ oidc: { params, requestParamScopes } }: KoaContextWithOIDC, client: object): boolean {
  const { pkceRequired, metadata } = recordOf(client as Parameters<typeof recordOf>[0])
  return pkceRequired || metadata.token_endpoint_auth_method === 'none' || !params!.nonce ||
    !requestParamScopes.has('openid')
}

/** Makes the provider's sessions, grants and look-ups ours. */
export function useCodeFlow (provider: Provider, options: CodeFlowOptions): void {
  useSessions(provider, options)
  useSuccessors(provider, options)
  useParameters(provider, options)
  useIdTokens(provider, options)
  leaveOutEmptyScopes(provider)
  const findCode = provider.AuthorizationCode.find.bind(provider.AuthorizationCode)
  provider.AuthorizationCode.find = (async (...args: Parameters<typeof findCode>) => {
    const code = await findCode(...args)
    if (code != null) await requireUse(options, code as Authorized, 'code')
    return code
  }) as typeof provider.AuthorizationCode.find
  const findRefresh = provider.RefreshToken.find.bind(provider.RefreshToken)
  provider.RefreshToken.find = (async (...args: Parameters<typeof findRefresh>) => {
    const token = await findRefresh(...args)
    if (token != null) await requireUse(options, token as Authorized, 'refresh_token')
    return token
  }) as typeof provider.RefreshToken.find
}

/** A scope has one token at least (RFC 6749 §3.3): a token without any has no member, and neither has its answer. */
function leaveOutEmptyScopes (provider: Provider): void {
  const { prototype } = provider.AccessToken
  const { save } = prototype
  prototype.save = async function (...given: Parameters<typeof save>) {
    if (this.scope === '') Object.assign(this, { scope: undefined })
    return await save.apply(this, given)
  }
}

/**
 * Refuses, before anything is used up, what the provider would refuse afterwards: so a mistaken `resource` can be
 * mended (SECURITY P3). At the token endpoint alone, and for the client that it was given to alone.
 */
async function requireUse (options: CodeFlowOptions, found: Authorized, kind: 'code' | 'refresh_token'): Promise<void> {
  const { ctx } = Provider
  if (ctx === undefined || ctx.oidc.route !== 'token' || ctx.oidc.client?.clientId !== found.clientId) return
  const client = recordOf(ctx.oidc.client!)
  // The secret of a confidential client was taken only from where it may come; a public one has none.
  await requireAdmissible(options.registry, client, ctx.ip)
  const { resource } = ctx.oidc.params as { resource?: string | string[] }
  if (resource !== undefined && resource !== found.resource) {
    throw new errors.InvalidTarget('The resource is another one than was authorized.')
  }
  if ((found as { consumed?: unknown }).consumed !== undefined) {
    await endReused(options, found.grantId!, kind)
    throw new errors.InvalidGrant('it was used already')
  }
}

const askingRoutes = new Set(['authorization', 'pushed_authorization_request'])

/** Reads parameters before the provider does: the look-up of the client comes before all of its checks. */
function useParameters (provider: Provider, { registry }: CodeFlowOptions): void {
  const find = provider.Client.find.bind(provider.Client)
  provider.Client.find = async (id: string) => {
    const { route, body, params: ofClient } = Provider.ctx?.oidc ?? {}
    const isAsking = askingRoutes.has(route ?? '')
    // Of a pushed request the provider reads the proof of the client first, and everything else later from the body.
    const params = route === 'pushed_authorization_request' ? body : ofClient
    if (params !== undefined && isAsking) requireQueryMode(params)
    if (params !== undefined && (isAsking || (route === 'token' && params.grant_type !== 'client_credentials'))) {
      await nameResource(registry, params)
    }
    return await find(id)
  }
}

/** An answer travels in the query alone (RFC 9700 §2.1): the provider would also make a page that posts it. */
function requireQueryMode (params: Record<string, unknown>): void {
  if (params.response_mode === undefined || params.response_mode === 'query') return
  // The refusal goes back in the query, too.
  params.response_mode = undefined
  throw new errors.UnsupportedResponseMode()
}

/**
 * Gives the resource that a request names the spelling that it was declared in: the provider compares it as text, in
 * the request, in the grant and at the token endpoint.
 */
async function nameResource (registry: CodeFlowOptions['registry'], params: Record<string, unknown>): Promise<void> {
  const { resource = [] } = params as { resource?: string | string[] }
  const [name, ...more] = new Set(typeof resource === 'string' ? [resource] : resource)
  if (name === undefined || more.length > 0) return
  params.resource = (await registry.resourceByIdentifier(name))?.identifier ?? name
}

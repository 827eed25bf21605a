/**
 * Questions to people: what an authorization request still needs of a person, for the page that asks, and the answers.
 * The browser that began the request alone may answer: it has the cookie.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors, type Provider } from 'oidc-provider'
import { countedAddress } from '../../base/ip-address.ts'
import { epochSeconds } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { provedAt } from '../../domain/people/fresh-sign-in.ts'
import type { PersonSession } from '../../domain/people/person-session.ts'
import { isActive, type Client } from '../../domain/credentials/client.ts'
import { hostResourceId, type Resource } from '../../domain/resources/resource.ts'
import { splitScope } from '../../domain/resources/scope.ts'
import { DocumentFailure } from '../../fetch/document-failure.ts'
import { clientLookup } from '../hosted-clients/hosted-clients.ts'
import type { AskedAccess, CodeFlowOptions } from './code-flow-options.ts'
import { partScopes } from './identity.ts'

/** An authorization request that waits for a person. */
export interface Interaction extends AskedAccess {
  uid: string
  /**
   * `login`: they have to prove who they are. `resource`: they cannot use it, and may sign in as somebody who can.
   * `consent`: they have to decide.
   */
  asks: 'login' | 'resource' | 'consent'
  redirectUri: string
  /** The client asks for the page, although the same may be allowed already. */
  asksAnyway: boolean
  /** The session that has to answer; null: any. */
  sessionId: string | null
  /** The oldest sign-in that will do, in seconds since the epoch; null: any. */
  signedInSince: number | null
  /** When the question was put, in seconds since the epoch. */
  askedAt: number
  /** The authorization that was given in answer; null: not yet. */
  authorizationId: string | null
}

export type InteractionAnswer =
  | { login: { session: PersonSession } }
  | { authorizationId: string }
  /** `login_required`: no fresh sign-in could be had. `invalid_target`: they cannot use the resource. */
  | { denied: string, error?: 'access_denied' | 'login_required' | 'invalid_target' }

export interface Interactions {
  /** Null: there is none of this id, it is over, or another browser began it. */
  find (request: FastifyRequest, reply: FastifyReply, uid: string): Promise<Interaction | null>
  /** The client of a question, for whatever browser: its name alone is shown. Null: there is no such question. */
  clientOf (request: FastifyRequest, uid: string): Promise<Client | null>
  /** Takes the answer; returns the URL at which the request goes on. @throws Failure `not_found` when it is over. */
  answer (uid: string, answer: InteractionAnswer): Promise<string>
  /** Called once by the endpoints. */
  attach (options: CodeFlowOptions, provider: () => Provider): void
}

type Stored = InstanceType<Provider['Interaction']>

export function newInteractions (): Interactions {
  let attached: { options: CodeFlowOptions, provider: () => Provider } | null = null
  const use = () => {
    if (attached === null) throw new TypeError('the authorization endpoint is not registered')
    return { ...attached.options, provider: attached.provider() }
  }
  return {
    attach (options, provider) { attached = { options, provider } },
    async find (request, reply, uid) {
      const { provider, ...options } = use()
      if (cookieOf(provider, request, reply) !== uid) return null
      const stored = await provider.Interaction.find(uid)
      if (stored === undefined) return null
      const { client_id: clientId, resource: identifier } = stored.params as Record<string, string>
      const [client, resource] = await Promise.all([
        activeClient(options, request, clientId!), resourceOf(options, identifier!, stored.prompt.name)
      ])
      return client === null || resource === null ? null : read(stored, client, resource)
    },
    async clientOf (request, uid) {
      const { provider, ...options } = use()
      const stored = await provider.Interaction.find(uid)
      return stored === undefined ? null : await activeClient(options, request, stored.params.client_id as string)
    },
    async answer (uid, answer) {
      const { provider } = use()
      const stored = await provider.Interaction.find(uid)
      if (stored === undefined) throw requestOver()
      stored.result = resultOf(stored, answer)
      // A person who signed in anew, or tried, has another session: that one goes on.
      const isOfNewSession = 'login' in answer || ('denied' in answer && answer.error === 'login_required')
      if (isOfNewSession) Object.assign(stored, { session: undefined })
      await stored.persist().catch((error: unknown) => {
        throw error instanceof errors.SessionNotFound ? requestOver() : error
      })
      return stored.returnTo
    },
  }
}

/**
 * For a person who cannot use it, and before a sign-in, an unknown resource is none to be told from another
 * organization's: a stand-in that is called as it was asked for, and that nothing can be allowed at.
 */
async function resourceOf (
  { registry }: CodeFlowOptions, identifier: string, prompt: string
): Promise<Resource | null> {
  const found = prompt === 'resource' ? null : await registry.resourceByIdentifier(identifier)
  if (found !== null || prompt === 'consent') return found
  const host = await registry.resource(hostResourceId)
  return host && { ...host, id: '', identifier, name: identifier, scopes: [], defaultScopes: [] }
}

/** What a person is told of a request that went on without them. */
export function requestOver (): Failure {
  return new Failure('not_found', {
    message: 'This request for access is over, or another browser began it; start again at the application.'
  })
}

/**
 * The client that asks. Null: it is gone, revoked or disabled, since the question was put perhaps; also while its
 * document cannot be had: at its next request the authorization endpoint says why.
 */
async function activeClient (
  { registry, hostedClients }: CodeFlowOptions, request: FastifyRequest, id: string
): Promise<Client | null> {
  try {
    const client = await clientLookup(registry, hostedClients)(id, countedAddress(request))
    return client !== null && isActive(client) ? client : null
  } catch (error) {
    if (error instanceof DocumentFailure) return null
    throw error
  }
}

function cookieOf (provider: Provider, request: FastifyRequest, reply: FastifyReply): string | undefined {
  const ctx = provider.createContext(request.raw, reply.raw)
  return ctx.cookies.get(provider.cookieName('interaction'), { signed: true })
}

function resultOf (stored: Stored, answer: InteractionAnswer): NonNullable<Stored['result']> {
  if ('denied' in answer) return { error: answer.error ?? 'access_denied', error_description: answer.denied }
  if ('authorizationId' in answer) return { ...stored.lastSubmission, consent: { grantId: answer.authorizationId } }
  const { memberId, amr } = answer.login.session
  const proved = provedAt(answer.login.session)
  // Another person decides anew.
  const { consent: _, ...before } = stored.lastSubmission ?? {}
  return {
    ...before,
    login: { accountId: memberId, amr: [...amr], ...(proved !== null && { ts: epochSeconds(proved) }) }
  }
}

function read (stored: Stored, client: Client, resource: Resource): Interaction {
  const { redirect_uri: redirectUri, scope, prompt, max_age: maxAge } = stored.params as Record<string, string>
  const { ofIdentity, ofResource } = partScopes(scope)
  const asks = stored.prompt.name as Interaction['asks']
  const { consent } = stored.result ?? {}
  return {
    uid: stored.uid,
    asks,
    client,
    redirectUri: redirectUri!,
    resource,
    scopes: ofResource,
    identityScopes: ofIdentity,
    asksAnyway: splitScope(prompt ?? '').includes('consent'),
    sessionId: stored.session?.uid ?? null,
    signedInSince: oldestSignIn(stored, prompt, maxAge),
    askedAt: stored.iat,
    authorizationId: consent?.grantId ?? null,
  }
}

/**
 * `login` in `prompt`: after the request began. `max_age`: so many seconds before it at most. After the sign-in that
 * was good enough, none that is older: another one can take its place in the browser while the person decides.
 */
function oldestSignIn (stored: Stored, prompt: string | undefined, maxAge: string | undefined): number | null {
  const isAnew = splitScope(prompt ?? '').includes('login')
  if (!isAnew && maxAge === undefined) return null
  const { ts } = (stored.lastSubmission?.login ?? {}) as { ts?: number }
  return ts ?? (isAnew ? stored.iat : stored.iat - Number(maxAge))
}

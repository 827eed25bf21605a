/** The requirements of a guarded route: declared in its config, settled when it is registered. */
import type { RouteOptions } from 'fastify'
import type { Resource } from '../domain/resources/resource.ts'
import type { ErrorStyleName } from '../domain/resources/style.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The scopes of a guarded route, every one of which is required. Empty: any valid credential. */
    scopes?: readonly string[]
    /** A route of a guarded context that needs no credential at all. */
    public?: boolean
    /** A route that answers API keys only. */
    apiKeyOnly?: boolean
    /**
     * The path parameter that holds an organization's id. One that the credential does not reach is answered like one
     * that does not exist.
     */
    organization?: string
    /** What the plan of the organization has to include. */
    feature?: string
    /** The path parameter that holds the id of an object of this type, for credentials that are restricted to some. */
    object?: { type: string, param: string }
    /** What a call costs, in whole credits. Such a route answers API keys, and clients that act for people. */
    credits?: number
    /** A route that takes a session of an end user, and nothing else. */
    session?: boolean
    /** A route that takes the session of a signed-in person, and nothing else. */
    person?: boolean
    /**
     * A route whose path holds a webhook's token in this parameter, bound to an object of this type; it takes nothing
     * else.
     */
    webhook?: { param: string, type: string }
    /** Set by the guard: how its refusals look on this route. */
    errorStyle?: ErrorStyleName
  }
}

export interface RouteRequirements {
  /** For people. */
  route: string
  scopes: readonly string[]
  apiKeyOnly: boolean
  organization: string | null
  feature: string | null
  object: { type: string, param: string } | null
  credits: number
  session: boolean
  person: boolean
  webhook: { param: string, type: string } | null
}

/** Null: the route is public. @throws when it declares no requirements, or impossible ones. */
export function requirementsOf ({ method, url, config = {} }: RouteOptions): RouteRequirements | null {
  const route = `${String(method)} ${url}`
  if (config.public === true) return null
  if (!Array.isArray(config.scopes)) {
    throw new Error(
      `The guarded route ${route} does not say what it needs: give it config: { scopes: ['…'] }, { scopes: [] } for ` +
        'any valid credential, or { public: true }.'
    )
  }
  const { credits = 0, organization = null, object = null, webhook = null } = config
  if (!Number.isSafeInteger(credits) || credits < 0) {
    throw new Error(`The guarded route ${route} costs ${credits} credits: use a whole number.`)
  }
  for (const param of [organization, object?.param, webhook?.param]) {
    if (typeof param === 'string' && !url.split('/').includes(`:${param}`)) {
      throw new Error(`The guarded route ${route} has no path parameter :${param}.`)
    }
  }
  return {
    route,
    scopes: config.scopes,
    apiKeyOnly: config.apiKeyOnly === true,
    organization,
    feature: config.feature ?? null,
    object,
    credits,
    session: config.session === true,
    person: config.person === true,
    webhook,
  }
}

/** @throws when a route requires a scope that its resource does not declare. */
export function requireKnownScopes (resource: Resource, required: readonly RouteRequirements[]): void {
  for (const { route, scopes } of required) {
    const unknown = scopes.find(name => !resource.scopes.some(scope => scope.name === name))
    if (unknown !== undefined) {
      throw new Error(
        `The guarded route ${route} needs the scope ${unknown}, which ${resource.identifier} does not declare.`
      )
    }
  }
}

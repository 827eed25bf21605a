/** What a route declares that it needs, for frameworks without declarations of their own. */
import type { Needs } from '../../../src/guard/remote/guarded-request.ts'

/** As the declarations of Latchkey's own guard. `organization` and `object.param` name parameters of the path. */
export interface RouteNeeds {
  /** All of them are required; empty: any valid credential. */
  scopes: readonly string[]
  /** The route answers API keys only. */
  apiKeyOnly?: boolean
  /** The parameter that holds an organization's id. */
  organization?: string
  /** What the plan of the organization has to include. */
  feature?: string
  /** The parameter that holds the id of an object of this type, for credentials that are restricted to some. */
  object?: { type: string, param: string }
  /** What a call costs, in whole credits. Such a route answers API keys, and clients that act for people. */
  credits?: number
}

type Parameters = Readonly<Record<string, string | readonly string[] | undefined>>

/** The needs of one request. @throws Error for a declaration that cannot be met. */
export function needsOf (declared: RouteNeeds): (parameters: Parameters) => Needs {
  const { scopes, apiKeyOnly = false, organization, feature = null, object, credits = 0 } = declared
  if (!Array.isArray(scopes)) throw new Error('A guarded route declares its scopes: [] for any valid credential.')
  if (!Number.isSafeInteger(credits) || credits < 0) throw new Error(`A route costs whole credits, not ${credits}.`)
  const fixed = {
    scopes: scopes as readonly string[], apiKeyOnly, session: false, feature, credits
  }
  return parameters => ({
    ...fixed,
    object: object === undefined ? null : { type: object.type },
    organizationId: organization === undefined ? null : valueOf(parameters, organization),
    objectId: object === undefined ? null : valueOf(parameters, object.param)
  })
}

/** A parameter that is missing names nothing that there is. */
function valueOf (parameters: Parameters, name: string): string {
  const value = parameters[name]
  return typeof value === 'string' ? value : ''
}

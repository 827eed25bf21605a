/** What the screens of trusted issuers share: the records as the API answers them, and where the screens are. */
import { dashboardPath, type Screen } from '../frame.ts'

export interface Issuer {
  id: string
  organization: string | null
  name: string
  preset: string
  profile: string
  issuer: string
  audience: string
  keys: string
  jwks: object | null
  jwksUri: string | null
  ca: string | null
  tokenReview: { url: string, ca: string | null, hint: string } | null
  audiences: readonly string[]
  algorithms: readonly string[]
  maxAge: number
  singleUse: boolean
  anchors: readonly string[]
  createdAt: string
}

/** `separators`: `value` is a beginning, and what follows it holds none of these; absent: it is the whole. */
export interface Condition { claim: string, value: string, separators?: readonly string[] }

export interface Rule {
  id: string
  issuer: string
  name: string
  claims: readonly Condition[]
  client: string | null
  forOrganization: string | null
  resource: string
  scopes: readonly string[]
}

export const issuersPath = `${dashboardPath}/trusted-issuers`
export const way: Screen['path'] = [{ name: 'Trusted issuers', href: issuersPath }]

export function apiPathOf ({ parameter }: { parameter (name: string): string }): string {
  return `/trusted-issuers/${encodeURIComponent(parameter('id'))}`
}

/** Below an issuer. */
export function wayTo ({ id, name }: Issuer): Screen['path'] {
  return [...way, { name, href: `${issuersPath}/${id}` }]
}

/**
 * Trusted issuers: platforms whose JWTs prove which workload asks for a token (RFC 7523 §2.1), and the rules that say
 * what a workload gets.
 */
import type { Reseal } from '../audit/resealing.ts'
import type { Page, PageQuery } from '../core/page.ts'
import type { Revised } from '../core/operation.ts'
import type { ClaimCondition } from './claim-match.ts'
import type { IssuerKeySet } from './key-set.ts'
import type { PresetName } from './presets.ts'

/**
 * `workload`: assertions are by RFC 7523, and rules say what they get. `id-jag`: they are Identity Assertion JWT
 * Authorization Grants, by which a client acts for a person (draft-ietf-oauth-identity-assertion-authz-grant).
 */
export const issuerProfiles = ['workload', 'id-jag'] as const
export type IssuerProfile = typeof issuerProfiles[number]

/** Where the keys of an issuer are. */
export type KeySource =
  | { kind: 'inline', jwks: IssuerKeySet }
  /** `ca`: PEM of the authority that its certificate is from, beside those of Node.js; null: those alone. */
  | { kind: 'jwks_uri', uri: string, ca: string | null }
  /** By the discovery document of the issuer (OpenID Connect Discovery §4). */
  | { kind: 'discovery', ca: string | null }

/** How the cluster of an issuer is asked whether a token is still good (TokenReview of Kubernetes). */
export interface TokenReview {
  /** https, of the resource `tokenreviews` of the API server. */
  url: string
  /** PEM of the authority of its host, beside that of the issuer's keys; null: none. */
  ca: string | null
  /** The bearer token of the account that asks. */
  sealedToken: string
  /** The id of the secret that it is sealed under. */
  sealedBy: string
  /** The first 16 hex digits of its SHA-256. */
  fingerprint: string
  /** Its last four characters. */
  hint: string
}

export interface TrustedIssuer extends Revised {
  /** `tri_…` */
  id: string
  /** Null: the deployment's. */
  organizationId: string | null
  name: string
  preset: PresetName
  profile: IssuerProfile
  /** The `iss` of its assertions, character by character; `spiffe://…` for a trust domain, which `sub` names. */
  issuer: string
  keys: KeySource
  /** How its cluster is asked whether an assertion is still good; null: it is not. */
  tokenReview: TokenReview | null
  /** Values of `aud` that are taken besides those of this server. */
  audiences: readonly string[]
  algorithms: readonly string[]
  /** The longest life of an assertion, from `iat` to `exp`, in seconds. */
  maxAge: number
  /** Whether each `jti` is taken once; true of ID-JAG. */
  singleUse: boolean
  /** JSON Pointers of the claims of which a rule has to name one. */
  anchors: readonly string[]
  createdBy: string
  createdAt: Date
}

export interface WorkloadRule extends Revised {
  /** `twr_…` */
  id: string
  issuerId: string
  /** That of the issuer. */
  organizationId: string | null
  name: string
  /** All of them hold. */
  claims: readonly ClaimCondition[]
  /** The client that a workload acts as; null: it acts for `forOrganizationId`, as itself. */
  clientId: string | null
  /** Null: that of the client. */
  forOrganizationId: string | null
  resourceId: string
  /** References. */
  scopes: readonly string[]
  createdBy: string
  createdAt: Date
}

/** What a token of a workload follows from: an issuer, and the rule; null: ID-JAG, which has none. */
export interface WorkloadTrust {
  /** That of the rule, or of the issuer if there is none. */
  id: string
  issuer: TrustedIssuer
  rule: WorkloadRule | null
}

/** The organization that a workload acts for: that of its client, or of the rule. Null: none. */
export function actsForOrganization (
  { rule }: WorkloadTrust, client: { organizationId: string | null } | null
): string | null {
  return client === null ? rule?.forOrganizationId ?? null : client.organizationId
}

/** Another one is refused: the issuer or the rule was changed since the token was made. */
export function revisionOf ({ issuer, rule }: WorkloadTrust): string {
  return `${issuer.revision}.${rule?.revision ?? 0}`
}

export interface TrustedIssuerRepository {
  insert (issuer: TrustedIssuer): Promise<void>
  get (id: string): Promise<TrustedIssuer | null>
  /**
   * Those with one of these names, oldest first, with their rules. Of the owners, null is the deployment; 'any': of
   * every owner, at most 20.
   */
  named (
    names: readonly string[], profile: IssuerProfile, owners: readonly (string | null)[] | 'any'
  ): Promise<{ issuer: TrustedIssuer, rules: WorkloadRule[] }[]>
  /** Whether there is one with the profile, of any owner. */
  anyOf (profile: IssuerProfile): Promise<boolean>
  /** Replaces keys and settings; returns it with its next revision. */
  update (issuer: TrustedIssuer): Promise<TrustedIssuer>
  /** Its rules go with it. */
  remove (issuer: TrustedIssuer): Promise<void>
  count (filter: { organizationId: string | null, issuer?: string }): Promise<number>
  page (query: PageQuery, filter: { organizationId?: string | null }): Promise<Page<TrustedIssuer>>
  /** A batch of the issuers behind an id whose reviewers are sealed under another secret; empty: there are no more. */
  sealedByOthers (secretId: string, after: string): Promise<TrustedIssuer[]>
  /** Replaces the seal of a reviewer; the revision stays. False: there is another one. */
  reseal (reseal: Reseal): Promise<boolean>
}

export interface WorkloadRuleRepository {
  insert (rule: WorkloadRule): Promise<void>
  get (id: string): Promise<WorkloadRule | null>
  update (rule: WorkloadRule): Promise<WorkloadRule>
  remove (rule: WorkloadRule): Promise<void>
  count (issuerId: string): Promise<number>
  page (
    query: PageQuery, filter: { organizationId?: string | null, issuerId?: string }
  ): Promise<Page<WorkloadRule>>
  /** By the id of a rule, or of an issuer for ID-JAG. */
  trust (id: string): Promise<WorkloadTrust | null>
}

export interface TrustedIssuerPort { trustedIssuers: TrustedIssuerRepository }
export interface WorkloadRulePort { workloadRules: WorkloadRuleRepository }

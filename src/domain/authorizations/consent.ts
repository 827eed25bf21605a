/** Consents: what a member has ever allowed a client at a resource, so that the same is not asked again. */
import type { Total } from '../core/list.ts'
import type { Revised } from '../core/operation.ts'
import type { Page, PageQuery } from '../core/page.ts'
import type { AuthorizationSet, EndedSet } from './authorization.ts'
import { namesOf } from '../resources/scope.ts'

/** One for each member, client and resource. It gives nothing by itself: authorizations do. Ending it removes it. */
export interface Consent extends Revised {
  /** `cns_…` */
  id: string
  /** The member's. */
  organizationId: string
  memberId: string
  /** The `client_id`. */
  clientId: string
  resourceId: string
  /** References of scopes of the resource: all that were ever allowed to the client in this form. */
  scopes: readonly string[]
  /** Scopes of OpenID Connect. */
  identityScopes: readonly string[]
  /** What the client was when it was allowed (`consentedForm`); null: an operator vouches for it, whatever it is. */
  clientForm: string | null
  createdAt: Date
  updatedAt: Date
}

/** What a consent is about. */
export type ConsentSubject = Pick<Consent, 'memberId' | 'clientId' | 'resourceId'>

/** Filter of a list; a member that is left out does not narrow it. */
export interface ConsentFilter {
  organizationId?: string
  memberId?: string
  clientId?: string
  resourceId?: string
}

export interface ConsentRepository {
  insert (consent: Consent): Promise<void>
  get (id: string): Promise<Consent | null>
  about (subject: ConsentSubject): Promise<Consent | null>
  /** Replaces its scopes, its form of the client and `updatedAt`; returns it with its next revision. */
  update (consent: Consent): Promise<Consent>
  remove (id: string): Promise<void>
  /** Removes those that were given to one of these clients. */
  removeAll (set: Pick<AuthorizationSet, 'organizationId' | 'clientIds'>): Promise<EndedSet<Consent>>
  /** The clients that consents of an organization were given to. */
  clientsOf (organizationId: string): Promise<string[]>
  page (query: PageQuery, filter: ConsentFilter): Promise<Page<Consent>>
  /** How many rows all pages have. */
  count (filter: ConsentFilter): Promise<Total>
}

export interface ConsentPort { consents: ConsentRepository }

/** What is asked for: references of scopes of a resource, and scopes of OpenID Connect. */
export type AskedScopes = Pick<Consent, 'scopes' | 'identityScopes'>

/** Whether a consent says all of what is asked for. */
export function coversAll (consent: AskedScopes | null, asked: AskedScopes): boolean {
  if (consent === null) return false
  return asked.scopes.every(each => consent.scopes.includes(each)) &&
    asked.identityScopes.every(each => consent.identityScopes.includes(each))
}

/** The subject of an audit row about a consent. */
export function aboutConsent (
  { id, organizationId, memberId, clientId, resourceId, scopes, identityScopes }: Consent
) {
  return {
    organizationId,
    subject: id,
    detail: {
      member: memberId, client: clientId, resource: resourceId, scopes: [...namesOf(scopes), ...identityScopes]
    }
  }
}

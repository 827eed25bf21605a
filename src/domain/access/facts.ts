/**
 * Facts: the records from which the verdict on a request follows, gathered before it is judged. They hold no registry
 * and no clock, and are the same wherever they were gathered.
 */
import type { Authorization } from '../authorizations/authorization.ts'
import type { ApiKey } from '../credentials/api-key.ts'
import type { Client } from '../credentials/client.ts'
import type { ManagementToken } from '../credentials/management-token.ts'
import type { PublishableKey } from '../credentials/publishable-key.ts'
import type { Voucher } from '../credentials/voucher.ts'
import type { WebhookToken } from '../credentials/webhook-token.ts'
import type { DeploymentAuthority } from '../members/operator.ts'
import type { Member } from '../members/permissions.ts'
import type { PersonSession } from '../people/person-session.ts'
import type { PolicySet } from '../policy/policy-evaluation.ts'
import type { Resource } from '../resources/resource.ts'
import type { Consumer } from '../tenancy/limits.ts'
import type { Organization } from '../tenancy/organization.ts'
import type { Signed } from '../tokens/access-token.ts'
import type { SessionClaims } from '../tokens/session-token.ts'
import type { ClientTokenClaims, KeyTokenClaims, WorkloadTokenClaims } from '../tokens/token-claims.ts'
import type { WorkloadTrust } from '../workloads/trusted-issuer.ts'
import type { Principal, Reason, Refusal } from './principal.ts'

/** What was found of the credential that a request presents: plain records. */
export type CredentialFacts =
  | NotFound | KeyFacts | TokenFacts | KeyTokenFacts | WorkloadTokenFacts | ManagementTokenFacts | SessionFacts
  | WebhookFacts | PersonFacts | AdminTokenFacts

interface Found {
  /** Its own; null: it has none, or that is missing. */
  organization: Organization | null
  /** Null: not made, because something speaks against the credential. */
  principal: Principal | null
  /** The policies of the deployment and of its organization, as far as there are any to evaluate. */
  policies: readonly PolicySet[]
}

/** Nothing was presented that could be looked up, or nothing was found. */
export interface NotFound extends Found { kind: 'not_found', refusal: Refusal }

export interface KeyFacts extends Found {
  kind: 'api_key'
  key: ApiKey
  /** The key's own; null: it is missing. */
  resource: Resource | null
  /** The member that bounds it; null: none does, or that member is missing. */
  member: Member | null
  /** Null: no key vouches for it, or that key is missing. */
  voucher: Voucher | null
}

export interface TokenFacts extends Found {
  kind: 'access_token'
  claims: ClientTokenClaims & Signed
  client: Client | null
  /** What a member has allowed the client; null: it acts for itself, or that is missing. */
  authorization: Authorization | null
  /** By which its calls are counted and limited; null: it acts for itself, and they are not. */
  consumer: Readonly<Consumer> | null
  /** That member; null: it acts for itself, or they are missing. */
  member: Member | null
  /** The token, or the key that signed it. */
  isRevoked: boolean
  /** The resource that it was presented for; null: any. */
  presentedFor: Resource | null
  /** That resource, or the one of its audience; null: it is missing. */
  resource: Resource | null
}

/** A token that an API key was exchanged for acts in the name of the key, which is judged as it is now. */
export interface KeyTokenFacts extends Found {
  kind: 'key_token'
  claims: KeyTokenClaims & Signed
  /** The key of its subject; null: it is missing, or not looked up as the token itself is refused. */
  keyFacts: KeyFacts | null
  /** The token, or the key that signed it. */
  isRevoked: boolean
  /** The key's; null: it is missing, or not looked up. */
  resource: Resource | null
}

/** The token of a workload ends with the rule by which it was made, with its issuer, and with its client. */
export interface WorkloadTokenFacts extends Found {
  kind: 'workload_token'
  claims: WorkloadTokenClaims & Signed
  /** Null: the rule or the issuer is gone. */
  trust: WorkloadTrust | null
  /** The client that it acts as; null: it acts as itself, or that is missing. */
  client: Client | null
  /** The token, or the key that signed it. */
  isRevoked: boolean
  /** The one of its audience; null: it is missing, or not looked up. */
  resource: Resource | null
}

export interface ManagementTokenFacts extends Found {
  kind: 'management_token'
  token: ManagementToken
  /** The management API's; null: it is missing. */
  resource: Resource | null
}

export interface SessionFacts extends Found {
  kind: 'session'
  claims: SessionClaims & Signed
  key: PublishableKey | null
  /** The key that signed it. */
  isRevoked: boolean
  resource: Resource | null
}

/** A webhook's token acts in the name of an API key, restricted to one object. */
export interface WebhookFacts extends Found {
  kind: 'webhook_token'
  token: WebhookToken
  /** The key that it acts for; null: it is missing, or not looked up as the token itself is refused. */
  keyFacts: KeyFacts | null
}

/** A person's session acts for its member. */
export interface PersonFacts extends Found {
  kind: 'person'
  session: PersonSession
  /** Seconds without use after which it has ended. */
  idle: number
  /** Null: it is missing. */
  member: Member | null
  /** Null: nothing vouched for the session, or it is missing. */
  voucher: Voucher | null
  /** Whether it acts for the whole deployment; `sign_in_again`: the sign-in is too old for this change. */
  authority: DeploymentAuthority
  /** The one that it was presented for; for any resource, the management API's. Null: it is missing. */
  resource: Resource | null
}

export interface AdminTokenFacts extends Found { kind: 'admin_token' }

/** What was found of an organization that the path names and that is not the credential's own. */
export interface PlaceFacts {
  organization: Organization | null
  /** Those that bind the credential there: the deployment's, its own organization's, this one's. */
  policies: readonly PolicySet[]
}

/** The principal that a credential proves against which nothing speaks. */
export function principalOf ({ kind, principal }: CredentialFacts): Principal {
  if (principal === null) throw new TypeError(`incomplete facts of a credential: ${kind}`)
  return principal
}

/** What was found of the API key that answers for a request; null: none does. */
export function keyFactsOf (facts: CredentialFacts): KeyFacts | null {
  if (facts.kind === 'api_key') return facts
  return facts.kind === 'webhook_token' || facts.kind === 'key_token' ? facts.keyFacts : null
}

/** By what the calls of a credential are counted and limited; null: they are not. */
export function consumerIn (facts: CredentialFacts): Readonly<Consumer> | null {
  if (facts.kind === 'access_token') return facts.consumer
  return keyFactsOf(facts)?.key ?? null
}

export function refusal (
  reason: Reason, presented: Refusal['presented'], subject: string | null = null, organizationId: string | null = null
): Refusal {
  return { reason, presented, subject, organizationId }
}

/** The refusal of a principal that nothing else speaks against. */
export function refusalByLimit (reason: Reason, { kind, id, organizationId, actingFor }: Principal): Refusal {
  const presented = kind === 'access_token' ? kind : 'api_key'
  return { ...refusal(reason, presented, id, organizationId), ...(actingFor != null && { actingFor }) }
}

/** Facts of a credential that was not found. */
export function notFound (reason: Reason, presented: Refusal['presented']): NotFound {
  return {
    kind: 'not_found', organization: null, principal: null, policies: [], refusal: refusal(reason, presented)
  }
}

/** Remembers facts with the record that they were gathered for. */
export interface FactsMemory<Subject extends object, Facts extends Found> {
  /** The facts of a subject that were kept in this state of the registry; null: they have to be gathered. */
  current (subject: Subject, state: object | null): Facts | null
  /** The facts that were kept last, in whatever state. */
  latest (subject: Subject): Facts | null
  /** `state`: the registry's before anything was gathered; null: something may come into being without a new state. */
  keep (subject: Subject, state: object | null, facts: Facts): Facts
}

/** A class that extends it adds its private fields to the very object that it is given. */
class Itself { constructor (subject: object) { return subject } }

/**
 * While the registry is in the state in which facts were gathered, they would be found again. Nothing in them depends
 * on the time, on the address or on the route: these are judged every time. They are kept in private fields of the
 * subject: a `WeakMap` of a million keys would cost each check a look-up in a table that no processor cache holds.
 */
export function factsMemory<Subject extends object, Facts extends Found> (): FactsMemory<Subject, Facts> {
  return class Remembered extends Itself {
    #state: object | null = null
    #facts: Facts | null = null

    static current (subject: Subject, state: object | null): Facts | null {
      return state !== null && #state in subject && subject.#state === state ? subject.#facts : null
    }

    static latest (subject: Subject): Facts | null {
      return #facts in subject ? subject.#facts : null
    }

    static keep (subject: Subject, state: object | null, facts: Facts): Facts {
      const remembered = #facts in subject ? subject : new Remembered(subject)
      remembered.#state = state
      remembered.#facts = facts
      return facts
    }
  }
}

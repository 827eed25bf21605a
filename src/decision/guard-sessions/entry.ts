/**
 * An entry of a guard's memory: the facts from which every verdict on a credential follows until one of its subjects
 * changes. On the wire it is JSON of the records as the judge takes them, without what the judge does not read: no
 * digest, no hint and no secret leaves the server.
 */
import type { KeyFacts, TokenFacts } from '../../domain/access/facts.ts'
import type { ApiKey } from '../../domain/credentials/api-key.ts'
import type { Principal } from '../../domain/access/principal.ts'
import type { Client } from '../../domain/credentials/client.ts'
import { boundTo } from '../../domain/policy/policy-evaluation.ts'
import type { Policy } from '../../domain/policy/policy.ts'
import type { Organization } from '../../domain/tenancy/organization.ts'
import type { Subject } from './subjects.ts'

/** `policies`: one list for each owner. Dates are texts (RFC 3339) in JSON. */
export type EntryFacts =
  | Pick<KeyFacts, 'kind' | 'principal'> & { key: JudgedKey, organization: JudgedOrganization, policies: Policies }
  | Pick<TokenFacts, 'kind' | 'principal' | 'claims'> & {
    client: JudgedClient, organization: JudgedOrganization | null, policies: Policies
  }

/** Names and ids of policies, and what they say of others, are not for the API that is guarded. */
type Policies = readonly (readonly Pick<Policy, 'effect' | 'conditions'>[])[]
type JudgedKey = Pick<
  ApiKey, 'id' | 'organizationId' | 'access' | 'allowlist' | 'expiresAt' | 'rotatedTo' | 'environment' | 'chainId' |
  'callsPerMinute' | 'callsPerMonth' | 'creditsPerMonth'
>
type JudgedClient = Pick<Client, 'id' | 'organizationId' | 'name' | 'allowlist' | 'generation'>
type JudgedOrganization = Pick<
  Organization, 'id' | 'status' | 'features' | 'callsPerMinute' | 'callsPerMonth' | 'creditsPerMonth'
>

/** `follows`: the subjects that outdate it. `asksEachTime`: what a call costs is counted in the database. */
export interface Entry { facts: EntryFacts, follows: readonly Subject[], asksEachTime: boolean }

export function entryOf (facts: KeyFacts | TokenFacts, follows: readonly Subject[]): Entry {
  if (facts.kind === 'access_token') return { facts: tokenEntry(facts), follows, asksEachTime: false }
  const { key, organization } = facts
  return { facts: keyEntry(facts), follows, asksEachTime: isCountedExactly(key) || isCountedExactly(organization!) }
}

function isCountedExactly (
  { callsPerMonth, creditsPerMonth }: Pick<ApiKey, 'callsPerMonth' | 'creditsPerMonth'>
): boolean {
  return callsPerMonth !== null || creditsPerMonth !== null
}

function keyEntry (facts: KeyFacts): EntryFacts {
  const { kind, principal, key, organization } = facts
  const { id, organizationId, access, allowlist, expiresAt, rotatedTo, environment, chainId } = key
  const { callsPerMinute, callsPerMonth, creditsPerMonth } = key
  return {
    kind,
    principal: withoutCreator(principal),
    key: {
      id,
      organizationId,
      access,
      allowlist,
      expiresAt,
      rotatedTo,
      environment,
      chainId,
      callsPerMinute,
      callsPerMonth,
      creditsPerMonth
    },
    organization: judgedOrganization(organization!),
    policies: policiesOn(facts)
  }
}

function tokenEntry (facts: TokenFacts): EntryFacts {
  const { kind, principal, claims, client, organization } = facts
  const { id, organizationId, name, allowlist, generation } = client!
  return {
    kind,
    principal: withoutCreator(principal),
    claims,
    client: { id, organizationId, name, allowlist, generation },
    organization: organization && judgedOrganization(organization),
    policies: policiesOn(facts)
  }
}

/** What a member may do is not for the API that is guarded. */
function withoutCreator (principal: Principal | null): Principal | null {
  return principal && { ...principal, creator: null }
}

function judgedOrganization (
  { id, status, features, callsPerMinute, callsPerMonth, creditsPerMonth }: Organization
): JudgedOrganization {
  return { id, status, features, callsPerMinute, callsPerMonth, creditsPerMonth }
}

function policiesOn ({ kind, principal, policies }: KeyFacts | TokenFacts): Policies {
  const { organizationId, groups, resourceId } = principal!
  return policies.map(set => boundTo(set, { kind, organizationId, groups, resourceId })).filter(set => set.length > 0)
}

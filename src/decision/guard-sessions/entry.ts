/**
 * An entry of a guard's memory: the facts from which every verdict on a credential follows until one of its subjects
 * changes. On the wire it is JSON of the records as the judge takes them, without what the judge does not read: no
 * digest, no hint and no secret leaves the server.
 */
import {
  consumerIn, type KeyFacts, type KeyTokenFacts, type TokenFacts, type WorkloadTokenFacts
} from '../../domain/access/facts.ts'
import { policyKindsOf } from '../../domain/access/policy-lookup.ts'
import type { ApiKey } from '../../domain/credentials/api-key.ts'
import type { Principal } from '../../domain/access/principal.ts'
import { epochSeconds } from '../../base/clock.ts'
import type { Client } from '../../domain/credentials/client.ts'
import { boundTo } from '../../domain/policy/policy-evaluation.ts'
import type { Policy } from '../../domain/policy/policy.ts'
import type { Consumer } from '../../domain/tenancy/limits.ts'
import type { Organization } from '../../domain/tenancy/organization.ts'
import type { EntryCredential, Subject } from './subjects.ts'

/** `policies`: lists that each have to let a request pass. Dates are texts (RFC 3339) in JSON. */
export type EntryFacts =
  | Pick<KeyFacts, 'kind' | 'principal'> & { key: JudgedKey, organization: JudgedOrganization, policies: Policies }
  | Pick<TokenFacts, 'kind' | 'principal' | 'claims'> & {
    client: JudgedClient,
    authorization: Readonly<Consumer> | null,
    organization: JudgedOrganization | null,
    policies: Policies
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

export function entryOf (facts: EntryCredential, follows: readonly Subject[]): Entry {
  const consumer = consumerIn(facts)
  const asksEachTime = consumer !== null && (isCountedExactly(consumer) || isCountedExactly(facts.organization!))
  return { facts: factsOf(facts), follows, asksEachTime }
}

function factsOf (facts: EntryCredential): EntryFacts {
  switch (facts.kind) {
    case 'api_key': return keyEntry(facts)
    case 'access_token': return tokenEntry(facts)
    case 'key_token': return keyTokenEntry(facts)
    case 'workload_token': return workloadTokenEntry(facts)
  }
}

function isCountedExactly (
  { callsPerMonth, creditsPerMonth }: Pick<Consumer, 'callsPerMonth' | 'creditsPerMonth'>
): boolean {
  return callsPerMonth !== null || creditsPerMonth !== null
}

function keyEntry (facts: KeyFacts): EntryFacts {
  const { kind, principal, key, organization, voucher } = facts
  const { id, organizationId, access, allowlist, rotatedTo, environment, chainId } = key
  const { callsPerMinute, callsPerMonth, creditsPerMonth } = key
  return {
    kind,
    principal: withoutCreator(principal),
    key: {
      id,
      organizationId,
      access,
      allowlist,
      // A guard knows no vouchers: the key ends with its own, and a change of that outdates the entry.
      expiresAt: earlier(key.expiresAt, voucher?.expiresAt ?? null),
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
  const { kind, principal, claims, client, consumer, organization } = facts
  const { id, organizationId, name, allowlist, generation } = client!
  return {
    kind,
    principal: withoutCreator(principal),
    claims,
    client: { id, organizationId, name, allowlist, generation },
    authorization: consumer,
    organization: organization && judgedOrganization(organization),
    policies: policiesOn(facts)
  }
}

/**
 * As the token of an authorization whose calls are those of the key: so every guard counts them for the key, and takes
 * none of them for the key itself.
 */
function keyTokenEntry (facts: KeyTokenFacts): EntryFacts {
  const { principal, claims, keyFacts, organization } = facts
  const { key, voucher } = keyFacts!
  const { id, organizationId, name, allowlist, chainId, environment } = key
  const { callsPerMinute, callsPerMonth, creditsPerMonth } = key
  const end = earlier(principal!.expiresAt, voucher?.expiresAt ?? null)!
  return {
    kind: 'access_token',
    principal: withoutCreator(principal),
    claims: { ...claims, sub_kind: undefined, exp: epochSeconds(end), gen: 0, gnt: id },
    client: { id, organizationId, name, allowlist, generation: 0 },
    authorization: { id, chainId, organizationId, environment, callsPerMinute, callsPerMonth, creditsPerMonth },
    organization: judgedOrganization(organization!),
    policies: policiesOn(facts)
  }
}

/** As the token of a client: that of the rule, or the rule itself, which no client is. */
function workloadTokenEntry (facts: WorkloadTokenFacts): EntryFacts {
  const { principal, claims, client, organization } = facts
  const { id, name, organizationId, allowlist } = principal!
  const generation = client?.generation ?? 0
  return {
    kind: 'access_token',
    principal: withoutCreator(principal),
    claims: { ...claims, sub_kind: undefined, gen: generation, gnt: undefined },
    client: { id, organizationId, name, allowlist, generation },
    authorization: null,
    organization: organization && judgedOrganization(organization),
    policies: policiesOn(facts)
  }
}

/** The first of two ends; null: never. */
function earlier (one: Date | null, other: Date | null): Date | null {
  if (one === null || other === null) return one ?? other
  return one < other ? one : other
}

/** What a member may do, and what vouches for a key, is not for the API that is guarded. */
function withoutCreator (principal: Principal | null): Principal | null {
  if (principal === null) return null
  const { vouchedBy: _, ...known } = principal
  return { ...known, creator: null }
}

function judgedOrganization (
  { id, status, features, callsPerMinute, callsPerMonth, creditsPerMonth }: Organization
): JudgedOrganization {
  return { id, status, features, callsPerMinute, callsPerMonth, creditsPerMonth }
}

function policiesOn ({ kind, principal, policies }: EntryCredential): Policies {
  const { organizationId, groups, resourceId } = principal!
  return policyKindsOf(kind)
    .flatMap(bound => policies.map(set => boundTo(set, { kind: bound, organizationId, groups, resourceId })))
    .filter(set => set.length > 0)
}

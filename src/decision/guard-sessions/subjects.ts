/**
 * Subjects: the names of what an entry in the memory of a remote guard follows from. A change names the subjects whose
 * entries are outdated. A key is named by a mark of its digest, so that no digest leaves the server.
 */
import type {
  CredentialFacts, KeyFacts, KeyTokenFacts, TokenFacts, WorkloadTokenFacts
} from '../../domain/access/facts.ts'
import type { Change } from '../../storage/cache/changes.ts'

/** `kind:id`, or a kind alone, whose entries are all outdated. */
export type Subject = string

/** Every entry is outdated. */
export const everything: Subject = 'everything'

/** The keys that verify tokens. A guard opens another session when they change. */
export const signingKeys: Subject = 'signing-keys'

/** What a change names. */
export function subjectsOf (change: Change, keySubject: (digest: string) => Subject): readonly Subject[] {
  switch (change.of) {
    case 'organization': return [`organization:${change.id}`]
    case 'resources': return change.organizationId === undefined ? [everything] : [resourcesOf(change.organizationId)]
    case 'authorization': return [`authorization:${change.id}`]
    case 'authorizations': return change.ids?.map(id => `authorization:${id}`) ?? ['authorizations']
    case 'trustedIssuers': return change.ids.map(id => `trust:${id}`)
    case 'client': return [`client:${change.id}`]
    case 'clients': return ['client']
    case 'member': return [`member:${change.id}`]
    case 'members': return change.organizationId === undefined ? ['members'] : [`members:${change.organizationId}`]
    case 'policies': return [policiesOf(change.organizationId)]
    case 'apiKey': return [keySubject(change.digest)]
    case 'revokedToken': return [`token:${change.jti}`]
    case 'signingKeys': return [signingKeys]
    // A key that was imported just now is in no memory: that a key is missing is not kept.
    case 'importedKey':
    case 'managementToken':
    case 'registrationToken':
    case 'publishableKey':
    case 'webhookTokens':
    case 'revokedTokensPruned': return []
    case 'lostChanges':
    case 'everything': return [everything]
  }
}

/** The resources of one owner. A guard opens another session when that of its own resource changes. */
export function resourcesOf (organizationId: string | null): Subject {
  return organizationId === null ? 'resources' : `resources:${organizationId}`
}

function policiesOf (organizationId: string | null): Subject {
  return organizationId === null ? 'policies' : `policies:${organizationId}`
}

/** What facts follow from: each name by which a change may name it. */
export function dependenciesOf (
  facts: EntryCredential, keySubject: (digest: string) => Subject
): readonly Subject[] {
  switch (facts.kind) {
    case 'api_key': return dependenciesOfKey(facts, keySubject)
    case 'access_token': return dependenciesOfToken(facts)
    case 'key_token':
      return [`token:${facts.claims.jti}`, signingKeys, ...dependenciesOfKey(facts.keyFacts!, keySubject)]
    case 'workload_token': return dependenciesOfWorkload(facts)
  }
}

function dependenciesOfKey (
  { key: { digest, organizationId, creatorId }, voucher }: KeyFacts, keySubject: (digest: string) => Subject
): Subject[] {
  return [
    keySubject(digest),
    `organization:${organizationId}`,
    ...(creatorId === null ? [] : [`member:${creatorId}`, 'members', `members:${organizationId}`]),
    ...(voucher === null ? [] : voucher.digests.map(keySubject)),
    ...(voucher === null || voucher.organization === null ? [] : [`organization:${voucher.organization.id}`]),
    policiesOf(null),
    policiesOf(organizationId)
  ]
}

function dependenciesOfToken (
  { claims: { jti, client_id: clientId, gnt, sub, par: parent }, organization }: TokenFacts
): Subject[] {
  const organizationId = organization?.id ?? null
  return [
    `token:${jti}`,
    ...(parent === undefined ? [] : [`token:${parent.jti}`]),
    `client:${clientId}`,
    'client',
    signingKeys,
    ...(gnt === undefined
      ? []
      : [`authorization:${gnt}`, 'authorizations', `member:${sub}`, 'members', `members:${organizationId!}`]),
    policiesOf(null),
    ...(organizationId === null ? [] : [`organization:${organizationId}`, policiesOf(organizationId)])
  ]
}

function dependenciesOfWorkload (
  { claims: { jti, client_id: clientId }, trust, organization }: WorkloadTokenFacts
): Subject[] {
  return [
    `token:${jti}`,
    // A change of an issuer names its rules, too.
    `trust:${trust!.id}`,
    `client:${clientId}`,
    'client',
    signingKeys,
    policiesOf(null),
    ...(organization === null ? [] : [`organization:${organization.id}`, policiesOf(organization.id)])
  ]
}

/** The facts that a guard can have an entry for: of keys and access tokens alone. */
export type EntryCredential = KeyFacts | TokenFacts | KeyTokenFacts | WorkloadTokenFacts

const entryKinds: ReadonlySet<CredentialFacts['kind']> = new Set<EntryCredential['kind']>([
  'api_key', 'access_token', 'key_token', 'workload_token'
])

/** Whether a guard can have an entry for facts. */
export function isEntry (facts: CredentialFacts): facts is EntryCredential {
  return entryKinds.has(facts.kind)
}

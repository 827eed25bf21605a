/** The subjects of a change: the records that are refused once the change is lost. */
import type { Registry } from '../../domain/access/registry.ts'
import type { ApiKey } from '../../domain/credentials/api-key.ts'
import type { ManagementToken } from '../../domain/credentials/management-token.ts'
import { everyone, type LostEntry, type Refused } from '../../domain/maintenance/lost-change.ts'
import type { Change } from '../cache/changes.ts'

/** A subject by id; the deployment where the change names nothing narrower. */
export type Subject = Refused | SubjectByDigest

/** The one credential with a digest. */
export type SubjectByDigest =
  | { kind: 'api_key', digest: string, resourceId: string }
  | { kind: 'management_token', digest: string }

const wholeDeployment: Subject = { kind: 'deployment', subject: everyone }

export function subjectsOf (change: Change): Subject[] {
  switch (change.of) {
    case 'apiKey': return [{ kind: 'api_key', digest: change.digest, resourceId: change.resourceId }]
    case 'managementToken': return [{ kind: 'management_token', digest: change.digest }]
    case 'authorization': return [{ kind: 'authorization', subject: change.id }]
    case 'authorizations': return (change.ids ?? [everyone]).map(subject => ({ kind: 'authorization', subject }))
    case 'client': return [{ kind: 'client', subject: change.id }]
    case 'clients': return [{ kind: 'client', subject: everyone }]
    case 'member': return [{ kind: 'member', subject: change.id }]
    case 'publishableKey': return [{ kind: 'publishable_key', subject: change.id }]
    case 'registrationToken': return [{ kind: 'registration_token', subject: change.id }]
    case 'webhookTokens': return (change.ids ?? [everyone]).map(subject => ({ kind: 'webhook_token', subject }))
    case 'trustedIssuers': return change.ids.map(subject => ({ kind: 'trusted_issuer', subject }))
    case 'revokedToken': return [{ kind: 'access_token', subject: change.jti }]
    case 'organization': return [{ kind: 'organization', subject: change.id }]
    case 'members': return [ofOwner(change.organizationId) ?? { kind: 'member', subject: everyone }]
    case 'policies':
    case 'resources': return [ofOwner(change.organizationId) ?? wholeDeployment]
    case 'signingKeys':
    case 'everything': return [wholeDeployment]
    // A second failover lost what was noticed after the first. A lost decision leaves the change undecided again.
    case 'lostChanges': return change.refused === undefined ? [] : [change.refused]
    // A pruned token had expired, and a lost import is not there.
    case 'revokedTokensPruned':
    case 'importedKey': return []
  }
}

function ofOwner (organizationId: string | null | undefined): Subject | null {
  if (organizationId === undefined || organizationId === null) return null
  return { kind: 'organization', subject: organizationId }
}

/** The subject as the database has it. */
export async function findSubject (stored: Registry, subject: Subject): Promise<LostEntry['about'][number]> {
  const record = 'digest' in subject ? await recordByDigest(stored, subject) : await recordById(stored, subject)
  const id = 'digest' in subject ? record?.id ?? unknownId : subject.subject
  return { kind: subject.kind, subject: id, organizationId: record?.organizationId ?? null, isThere: record !== null }
}

/** The id of a credential of which the database has lost the creation too. */
const unknownId = 'unknown'

async function recordByDigest (stored: Registry, subject: SubjectByDigest): Promise<ApiKey | ManagementToken | null> {
  if (subject.kind === 'management_token') return await stored.managementToken(subject.digest)
  return await apiKeyOf(stored, subject)
}

async function apiKeyOf (
  stored: Registry, { digest, resourceId }: { digest: string, resourceId: string }
): Promise<ApiKey | null> {
  const generated = await stored.apiKey(digest)
  return generated?.resourceId === resourceId ? generated : await stored.importedApiKey(digest, resourceId)
}

/** A subject that has no look-up by id, or is several records, counts as existing. */
async function recordById (
  stored: Registry, { kind, subject }: Refused
): Promise<{ id: string, organizationId: string | null } | null> {
  const existing = { id: subject, organizationId: null }
  if (subject === everyone) return existing
  switch (kind) {
    case 'api_key': return await stored.apiKeyById(subject)
    case 'authorization': return await stored.authorization(subject)
    case 'client': return await stored.client(subject)
    case 'member': return await stored.member(subject)
    case 'organization': return await stored.organization(subject) && { id: subject, organizationId: subject }
    case 'publishable_key': return await stored.publishableKey(subject)
    case 'trusted_issuer': return await ofTrust(stored, subject)
    default: return existing
  }
}

async function ofTrust (stored: Registry, id: string): Promise<{ id: string, organizationId: string | null } | null> {
  const trust = await stored.workloadTrust(id)
  return trust && { id, organizationId: trust.issuer.organizationId }
}

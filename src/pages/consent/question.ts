/** What a person is asked about an authorization request: what they may hand on of it, and whether they did before. */
import { actsForMember, handableScopes, isForMember } from '../../domain/authorizations/allow.ts'
import { admissionOf, consentedForm, type Admission } from '../../domain/authorizations/client-admission.ts'
import type { ClientApprovalPort } from '../../domain/authorizations/client-approval.ts'
import { coversAll, type AskedScopes, type ConsentPort } from '../../domain/authorizations/consent.ts'
import type { Member } from '../../domain/members/permissions.ts'
import { identityResourceId } from '../../domain/resources/resource.ts'
import { grantableNow, referenceOf, type Scope } from '../../domain/resources/scope.ts'
import type { OrganizationPort } from '../../domain/tenancy/organization.ts'
import type { AskedAccess } from '../../protocol/authorization/code-flow-options.ts'

/** What is left of a request once it is known who decides. */
export interface Question extends AskedScopes {
  /** Why there is nothing to ask, for the client; null: there is. */
  denied: string | null
  /** Whether their organization lets the client act for them. */
  admission: Admission
  /** The scopes of the resource that they would hand on. */
  handed: readonly Scope[]
  /** Names of those that they have never allowed this client. */
  added: readonly string[]
  /** Names of the scopes that were asked for and that they do not have. */
  lacking: readonly string[]
  /** Whether they have allowed all of it before, to the client as it is. */
  isRemembered: boolean
  /** What the decision is bound to of the client; null: it is vouched for. */
  clientForm: string | null
  /** Whether the client is another one now than they have allowed something. */
  hasChanged: boolean
}

export async function questionOf (
  store: ClientApprovalPort & ConsentPort & OrganizationPort, access: AskedAccess, member: Member
): Promise<Question> {
  const { client, resource, scopes, identityScopes } = access
  const isPossible = isAboutMember(access, member)
  const handable = isPossible ? handableScopes(member, resource) : []
  const handed = resource.scopes.filter(scope => scopes.includes(scope.name) && handable.includes(referenceOf(scope)))
  const asked: AskedScopes = { scopes: handed.map(referenceOf), identityScopes }
  // Userinfo has no scopes of its own: what is asked there concerns the person alone.
  const isNothing = handed.length === 0 && resource.id !== identityResourceId
  const clientForm = consentedForm(client)
  const known = await store.consents.about({ memberId: member.id, clientId: client.id, resourceId: resource.id })
  const consent = known?.clientForm === clientForm ? known : null
  const before = grantableNow(consent?.scopes ?? [], resource.scopes)
  return {
    ...asked,
    denied: isPossible
      ? isNothing ? 'The person has none of the scopes that were asked for.' : null
      : 'The person is no member of the organization of this client or resource.',
    admission: await admissionOf(store, member.organizationId, client),
    handed,
    added: handed.map(({ name }) => name).filter(name => !before.includes(name)),
    lacking: scopes.filter(name => !handed.some(scope => scope.name === name)),
    isRemembered: coversAll(consent, asked),
    clientForm,
    hasChanged: known !== null && consent === null,
  }
}

/** Whether the client may act for a member at the resource at all. */
export function isAboutMember ({ client, resource }: AskedAccess, member: Pick<Member, 'organizationId'>): boolean {
  return actsForMember(client, member) && isForMember(resource, member)
}

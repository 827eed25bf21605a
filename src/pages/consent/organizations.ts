/** The organizations that a person may change to. */
import type { FastifyRequest } from 'fastify'
import type { Member } from '../../domain/members/permissions.ts'
import { ownMembers } from '../../domain/people/session-end.ts'
import type { Organization } from '../../domain/tenancy/organization.ts'
import type { CurrentPerson } from '../current-person.ts'
import { operationOf } from '../request.ts'
import type { SignInOptions } from '../sign-in-options.ts'

export interface Membership { member: Member, organization: Organization }

/** Those of the person in active organizations, apart from the present one. */
export async function otherMemberships (
  options: Pick<SignInOptions, 'store' | 'clock'>, request: FastifyRequest, person: CurrentPerson
): Promise<Membership[]> {
  const members = await ownMembers(operationOf(options, request, person), person.session)
  const others = members.filter(({ id }) => id !== person.member.id)
  const organizations = await Promise.all(others.map(each => options.store.organizations.get(each.organizationId)))
  return others.flatMap((member, index) => {
    const organization = organizations[index]
    return organization?.status === 'active' ? [{ member, organization }] : []
  })
}

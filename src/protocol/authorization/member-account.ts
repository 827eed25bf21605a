/** Members as oidc-provider's accounts. */
import type { Account, KoaContextWithOIDC } from 'oidc-provider'
import type { Member } from '../../domain/members/permissions.ts'
import { splitScope } from '../../domain/resources/scope.ts'
import { reasonAgainstOrganization } from '../../domain/tenancy/organization.ts'
import type { CodeFlowOptions } from './code-flow-options.ts'
import { claimsAbout } from './identity.ts'

/** A member as the provider's account. */
export interface MemberAccount extends Account { member: Member }

/** Undefined: the member was removed, or their organization is not active: nothing is given for them. */
export async function accountOf ({ registry }: CodeFlowOptions, id: string): Promise<MemberAccount | undefined> {
  const member = await registry.member(id)
  if (member === null || member.removedAt !== null) return undefined
  const organization = await registry.organization(member.organizationId)
  if (reasonAgainstOrganization(organization) !== null) return undefined
  return { accountId: id, member, claims: async (_use, scope) => ({ ...claimsAbout(member, splitScope(scope)) }) }
}

/** The organization of the member that a request acts for. */
export function organizationOf (ctx: KoaContextWithOIDC): string {
  return (ctx.oidc.account as MemberAccount).member.organizationId
}

/** A member, as the API answers it, and what the person who looks may do with it. */
import { html } from 'ghtml'
import type { Me } from '../api.ts'
import { badge, tabs } from '../elements.ts'
import { dashboardPath } from '../frame.ts'

export const membersPath = `${dashboardPath}/members`
export const membersWay = [{ name: 'Members', href: membersPath }]

export type Role = 'owner' | 'admin' | 'member' | 'viewer'

export interface Member {
  id: string
  organization: string
  name: string
  email: string | null
  role: Role
  scopes: readonly string[] | null
  operator: boolean
  createdAt: string
  removedAt: string | null
}

const roleWords: Readonly<Record<Role, string>> = {
  owner: 'Owner: everything, and changes owners',
  admin: 'Admin: everything, except changing owners',
  member: 'Member: reads everything, changes own keys and clients',
  viewer: 'Viewer: reads everything',
}

/** The roles that a person may give: owners alone make owners. */
export function rolesFor (me: Me): readonly (readonly [Role, string])[] {
  const roles = Object.entries(roleWords) as [Role, string][]
  return roles.filter(([role]) => role !== 'owner' || me.member.role === 'owner' || me.deployment)
}

/** Whether the API lets a person change a member: owners alone change owners, and operators change operators. */
export function mayChange ({ permissions, member: { role }, deployment }: Me, member: Member): boolean {
  return permissions.includes('members:write') && member.removedAt === null &&
    (member.role !== 'owner' || role === 'owner' || deployment) && (!member.operator || deployment)
}

/** Whether the API lets a person make a sign-in link for a member. */
export function mayLink (me: Me, member: Member): boolean {
  return mayChange(me, member) && !member.operator && (me.deployment || ['owner', 'admin'].includes(me.member.role))
}

/** What is unusual about a member, as markup; '': nothing. */
export function stateOf ({ removedAt, operator, scopes }: Member): string {
  if (removedAt !== null) return html` !${badge('bad', 'Removed')}`
  return html`!${operator ? html` !${badge('brass', 'Operator')}` : ''}!${
    scopes === null ? '' : html` !${badge('plain', 'Own scopes')}`}`
}

/** The pages about the people of an organization. */
export function peopleTabs ({ permissions }: Me, path: string): string {
  const pages = [
    ['Members', membersPath, 'members:read'], ['Invitations', `${dashboardPath}/invitations`, 'invitations:read'],
    ['Groups', `${dashboardPath}/groups`, 'groups:read']
  ] as const
  return tabs('People', pages.filter(([, , scope]) => permissions.includes(scope)).map(([name, href]) =>
    [name, href] as const), path)
}

/** `latchkey member …`: members of organizations. */
import { Command, Option } from 'commander'
import { segment } from '../api.ts'
import {
  calling, pageQuery, requireChange, scopeOption, showPage, withPageFlags, type ListFlags, type Page
} from '../command.ts'
import { fieldLines, instant, words } from '../print.ts'

interface Member {
  id: string
  organization: string
  name: string
  role: string
  scopes: string[] | null
  createdAt: string
  removedAt: string | null
}

interface MemberFlags { org?: string, name?: string, role?: string, scope?: string[], roleScopes?: boolean }

export function memberCommands (): Command {
  const member = new Command('member').description(
    'members: the people of an organization, whose permissions bound their keys'
  )
  member.command('create').description('add a member to an organization').argument('<name>')
    .option('--org <id>', 'the organization that they belong to; default: the token\'s own')
    .addOption(roleOption().makeOptionMandatory())
    .addOption(
      scopeOption('a scope or a pattern, instead of the role\'s; repeat it for several')
    )
    .action(
      calling<Member, MemberFlags>(showMember, (api, { org, role, scope }, name) =>
        api.post('/members', { organization: org, name, role, scopes: scope }))
    )
  withPageFlags(member.command('list').description('list the members, newest first'), { org: true })
    .action(calling<Page<Member>, ListFlags>(showMembers, (api, flags) => api.get('/members', pageQuery(flags))))
  member.command('show').description('show a member').argument('<id>')
    .action(calling(showMember, (api, _flags, id) => api.get(pathOf(id))))
  addUpdate(member)
  member.command('remove').description('remove a member; their keys lose all access at once').argument('<id>')
    .action(calling(showMember, (api, _flags, id) => api.post(`${pathOf(id)}/remove`)))
  return member
}

function addUpdate (member: Command): void {
  member.command('update').description('change a member; their keys follow at once').argument('<id>')
    .option('--name <text>', 'a display name')
    .addOption(roleOption())
    .addOption(scopeOption('a scope or a pattern; replaces the present ones; repeat it for several'))
    .addOption(new Option('--role-scopes', 'use the scopes of their role again').conflicts('scope'))
    .action(calling<Member, MemberFlags>(showMember, (api, { name, role, scope, roleScopes }, id) => {
      const change = { name, role, scopes: roleScopes ? null : scope }
      return api.patch(pathOf(id), requireChange(change, '--name, --role, --scope, --role-scopes'))
    }))
}

function roleOption (): Option {
  return new Option('--role <name>', 'owner and admin: everything; member: read and write; viewer: read')
    .choices(['owner', 'admin', 'member', 'viewer'])
}

function pathOf (id: string): string {
  return `/members/${segment(id)}`
}

function showMember (member: Member): string {
  return fieldLines([
    ['id', member.id],
    ['name', member.name],
    ['organization', member.organization],
    ['role', member.role],
    ['may', member.scopes === null ? 'the scopes of the role' : words(member.scopes) ?? 'nothing'],
    ['created', instant(member.createdAt)],
    ['removed', instant(member.removedAt)],
  ])
}

const showMembers = showPage<Member>(
  ['ID', 'NAME', 'ORGANIZATION', 'ROLE', 'REMOVED'],
  member => [member.id, member.name, member.organization, member.role, instant(member.removedAt)],
  'There is no member yet. Add one: npx latchkey member create NAME --org ORG --role member'
)

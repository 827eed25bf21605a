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

/** `latchkey member …` */
export function memberCommands (): Command {
  const member = new Command('member').description(
    'members: the people of an organization, who bound what the keys they made may do'
  )
  member.command('create').description('add a member to an organization').argument('<name>')
    .option('--org <id>', 'the organization they belong to; the token\'s own unless given')
    .addOption(roleOption().makeOptionMandatory())
    .addOption(
      scopeOption('what they may do instead of what their role may: a scope or a pattern; repeat it for several')
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
  member.command('remove').description('remove a member; their keys may do nothing from now on').argument('<id>')
    .action(calling(showMember, (api, _flags, id) => api.post(`${pathOf(id)}/remove`)))
  return member
}

function addUpdate (member: Command): void {
  member.command('update').description('change a member; what their keys may do follows at once').argument('<id>')
    .option('--name <text>', 'what people call them')
    .addOption(roleOption())
    .addOption(scopeOption('what they may do; the ones given replace all they may now; repeat it for several'))
    .addOption(new Option('--role-scopes', 'they may do what their role may again').conflicts('scope'))
    .action(calling<Member, MemberFlags>(showMember, (api, { name, role, scope, roleScopes }, id) => {
      const change = { name, role, scopes: roleScopes ? null : scope }
      return api.patch(pathOf(id), requireChange(change, '--name, --role, --scope, --role-scopes'))
    }))
}

function roleOption (): Option {
  return new Option('--role <name>', 'what they may do: owner and admin everything, member read and write, viewer read')
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
    ['may', member.scopes === null ? 'what the role may' : words(member.scopes) ?? 'nothing'],
    ['created', instant(member.createdAt)],
    ['removed', instant(member.removedAt)],
  ])
}

const showMembers = showPage<Member>(
  ['ID', 'NAME', 'ORGANIZATION', 'ROLE', 'REMOVED'],
  member => [member.id, member.name, member.organization, member.role, instant(member.removedAt)],
  'There is no member yet. Add one: npx latchkey member create NAME --org ORG --role member'
)

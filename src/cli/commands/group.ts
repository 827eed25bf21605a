/** `latchkey group …`: groups of members. */
import { Command } from 'commander'
import { segment } from '../api.ts'
import {
  calling, pageQuery, removed, requireChange, scopeOption, showPage, withPageFlags, type ListFlags, type Page
} from '../command.ts'
import { searchQuery, withSearchFlags, type SearchFlags } from '../flags/list-flags.ts'
import { fieldLines, instant, words } from '../print.ts'

interface Group {
  id: string, organization: string, name: string, description: string | null, scopes: string[], createdAt: string
}
interface GroupMember {
  id: string, name: string, role: string, createdAt: string
}
interface GroupFlags {
  org?: string, name?: string, description?: string, scope?: string[], member?: string
}

export function groupCommands (): Command {
  const group = new Command('group').description(
    'groups: their members have the scopes of the group besides their own'
  )
  group.command('create').description('create a group').argument('<name>')
    .requiredOption('--org <id>', 'the organization that it belongs to')
    .option('--description <text>', 'a description')
    .addOption(scopeOption('a scope of its members, or a pattern; repeat it for several'))
    .action(
      calling<Group, GroupFlags>(showGroup, (api, { org, description, scope = [] }, name) =>
        api.post('/groups', { organization: org, name, description, scopes: scope }))
    )
  withSearchFlags(
    group.command('list').description('list the groups, newest first'),
    { org: true, found: 'the name', sorts: ['name'] }
  )
    .option('--member <id>', 'only with this member')
    .action(
      calling<Page<Group>, SearchFlags & GroupFlags>(showGroups, (api, flags) =>
        api.get('/groups', { ...searchQuery(flags), member: flags.member }))
    )
  group.command('show').description('show a group').argument('<id>')
    .action(calling(showGroup, (api, _flags, id) => api.get(pathOf(id))))
  group.command('update').description('change a group; its members\' keys follow at once').argument('<id>')
    .option('--name <text>', 'a display name')
    .option('--description <text>', 'a description')
    .addOption(scopeOption('a scope of its members; replaces the present ones; repeat it for several'))
    .action(
      calling<Group, GroupFlags>(showGroup, (api, { name, description, scope }, id) =>
        api.patch(pathOf(id), requireChange({ name, description, scopes: scope }, '--name, --description, --scope')))
    )
  group.command('delete').description('delete a group that no policy refers to; its members keep their own scopes')
    .argument('<id>')
    .action(calling<Group, GroupFlags>(showGroup, async (api, _flags, id) => await removed(api, pathOf(id))))
  addMembership(group)
  return group
}

function addMembership (group: Command): void {
  withPageFlags(group.command('members').description('list the members of a group, newest first').argument('<id>'), {
    org: false
  })
    .action(
      calling<Page<GroupMember>, ListFlags>(showMembers, (api, flags, id) =>
        api.get(`${pathOf(id)}/members`, pageQuery(flags)))
    )
  group.command('add').description('add a member to a group').argument('<id>')
    .requiredOption('--member <id>', 'the member')
    .action(
      calling<Group, GroupFlags>(showGroup, (api, { member = '' }, id) =>
        api.put(`${pathOf(id)}/members/${segment(member)}`))
    )
  group.command('remove').description('remove a member from a group').argument('<id>')
    .requiredOption('--member <id>', 'the member')
    .action(calling<Group, GroupFlags>(showGroup, async (api, { member = '' }, id) => {
      await api.delete(`${pathOf(id)}/members/${segment(member)}`)
      return await api.get(pathOf(id))
    }))
}

function pathOf (id: string): string {
  return `/groups/${segment(id)}`
}

function showGroup (group: Group): string {
  return fieldLines([
    ['id', group.id],
    ['name', group.name],
    ['for', group.description],
    ['organization', group.organization],
    ['members may', words(group.scopes) ?? 'nothing more'],
    ['created', instant(group.createdAt)],
  ])
}

const showGroups = showPage<Group>(
  ['ID', 'NAME', 'ORGANIZATION', 'MEMBERS MAY'],
  group => [group.id, group.name, group.organization, words(group.scopes)],
  'There is no group yet. Create one: npx latchkey group create NAME --org ORG --scope NAME'
)

const showMembers = showPage<GroupMember>(
  ['ID', 'NAME', 'ROLE'],
  member => [member.id, member.name, member.role],
  'The group has no member yet. Add one: npx latchkey group add GROUP --member MEMBER'
)

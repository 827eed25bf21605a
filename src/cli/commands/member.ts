/** `latchkey member …`: members of organizations. */
import { Command, Option } from 'commander'
import { segment } from '../api.ts'
import {
  calling, requireChange, scopeOption, showPage, type Page
} from '../command.ts'
import { searchQuery, withSearchFlags, type SearchFlags } from '../flags/list-flags.ts'
import { fieldLines, instant, tableLines, words } from '../print.ts'

interface Member {
  id: string
  organization: string
  name: string
  email: string | null
  role: string
  scopes: string[] | null
  operator: boolean
  createdAt: string
  removedAt: string | null
}

interface Passkey { id: string, name: string, backedUp: boolean, createdAt: string, lastUsedAt: string | null }

interface Identity { id: string, provider: string | null, issuer: string, subject: string, linkedAt: string }

interface MemberFlags {
  org?: string
  name?: string
  email?: string | false
  role?: string
  scope?: string[]
  roleScopes?: boolean
  operator?: boolean
}

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
    .option('--email <address>', 'their e-mail; one member of the organization has it')
    .option('--operator', 'they may act for the whole deployment; with --org org_operators')
    .action(
      calling<Member, MemberFlags>(showMember, (api, { org, email, role, scope, operator }, name) =>
        api.post('/members', { organization: org, name, email, role, scopes: scope, operator }))
    )
  withSearchFlags(
    member.command('list').description('list the members, newest first'),
    { org: true, found: 'the name or the e-mail', sorts: ['name'] }
  )
    .action(calling<Page<Member>, SearchFlags>(showMembers, (api, flags) => api.get('/members', searchQuery(flags))))
  member.command('show').description('show a member').argument('<id>')
    .action(calling(showMember, (api, _flags, id) => api.get(pathOf(id))))
  addUpdate(member)
  member.command('sign-in-link').description('make a link that signs a member in, once, within ten minutes')
    .argument('<id>').action(calling(showLink, (api, _flags, id) => api.post(`${pathOf(id)}/sign-in-links`)))
  addPasskeys(member)
  addIdentities(member)
  member.command('remove').description('remove a member; their keys lose all access at once').argument('<id>')
    .action(calling(showMember, (api, _flags, id) => api.post(`${pathOf(id)}/remove`)))
  return member
}

function addPasskeys (member: Command): void {
  member.command('passkeys').description('list the passkeys of a member').argument('<id>')
    .action(calling(showPasskeys, (api, _flags, id) => api.get(`${pathOf(id)}/passkeys`)))
  member.command('remove-passkey').description('remove a passkey that a member has lost; their sessions end')
    .argument('<id>').requiredOption('--passkey <id>', 'one of those that `latchkey member passkeys` lists')
    .action(calling<undefined, { passkey: string }>(() => 'removed', (api, { passkey }, id) =>
      api.delete(`${pathOf(id)}/passkeys/${segment(passkey)}`)))
}

function showPasskeys ({ data }: { data: Passkey[] }): string {
  if (data.length === 0) return 'This member has no passkey.'
  return tableLines(['ID', 'NAME', 'KEPT', 'ADDED', 'LAST USED'], data.map(each => [
    each.id,
    each.name,
    each.backedUp ? 'synchronized' : 'on one device',
    instant(each.createdAt),
    instant(each.lastUsedAt)
  ]))
}

function addIdentities (member: Command): void {
  member.command('identities').description('list the accounts at identity providers that sign a member in')
    .argument('<id>').action(calling(showIdentities, (api, _flags, id) => api.get(`${pathOf(id)}/identities`)))
  member.command('remove-identity').description('unlink an account of a member at a provider; their sessions end')
    .argument('<id>').requiredOption('--identity <id>', 'one of those that `latchkey member identities` lists')
    .action(calling<undefined, { identity: string }>(() => 'removed', (api, { identity }, id) =>
      api.delete(`${pathOf(id)}/identities/${segment(identity)}`)))
}

function showIdentities ({ data }: { data: Identity[] }): string {
  if (data.length === 0) return 'No account at a provider signs this member in.'
  return tableLines(['ID', 'PROVIDER', 'ISSUER', 'SUBJECT', 'ADDED'], data.map(each => [
    each.id, each.provider, each.issuer, each.subject, instant(each.linkedAt)
  ]))
}

const changeFlags = '--name, --email, --no-email, --role, --scope, --role-scopes, --operator, --no-operator'

function addUpdate (member: Command): void {
  member.command('update').description('change a member; their keys follow at once').argument('<id>')
    .option('--name <text>', 'a display name')
    .addOption(roleOption())
    .addOption(scopeOption('a scope or a pattern; replaces the present ones; repeat it for several'))
    .addOption(new Option('--role-scopes', 'use the scopes of their role again').conflicts('scope'))
    .option('--email <address>', 'their e-mail; one member of the organization has it')
    .option('--no-email', 'forget their e-mail')
    .option('--operator', 'they may act for the whole deployment')
    .option('--no-operator', 'they may not act for the whole deployment any more')
    .action(calling<Member, MemberFlags>(showMember, (api, flags, id) => {
      const { name, email, role, scope, roleScopes, operator } = flags
      const change = { name, email: email === false ? null : email, role, scopes: roleScopes ? null : scope, operator }
      return api.patch(pathOf(id), requireChange(change, changeFlags))
    }))
}

/** Alone on its line, so that it can be copied and piped. */
function showLink ({ url, expiresAt }: { url: string, expiresAt: string }): string {
  return [url, fieldLines([['works once, until', instant(expiresAt)]])].join('\n')
}

function roleOption (): Option {
  return new Option(
    '--role <name>', 'owner: everything; admin: but owners; member: read, own keys and clients; viewer: read'
  )
    .choices(['owner', 'admin', 'member', 'viewer'])
}

function pathOf (id: string): string {
  return `/members/${segment(id)}`
}

function showMember (member: Member): string {
  return fieldLines([
    ['id', member.id],
    ['name', member.name],
    ['email', member.email],
    ['organization', member.organization],
    ['role', member.role],
    ['operator', member.operator ? 'may act for the whole deployment' : null],
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

/** `latchkey invitation …`: people who become members by a verified e-mail. */
import { Command, Option } from 'commander'
import { segment, type Api } from '../api.ts'
import {
  calling, expiryOption, repeated, showPage, type Page
} from '../command.ts'
import { searchQuery, withSearchFlags, type SearchFlags } from '../flags/list-flags.ts'
import { fieldLines, instant, words } from '../print.ts'
import type { Expiry } from '../time.ts'

interface Invitation {
  id: string
  organization: string
  email: string
  role: string
  groups: string[]
  member: string | null
  status: string
  createdBy: string
  createdAt: string
  expiresAt: string
  acceptedAt: string | null
  revokedAt: string | null
}

interface InvitationFlags { org?: string, role?: string, group?: string[], member?: string, expires?: Expiry }

export function invitationCommands (): Command {
  const invitation = new Command('invitation').description(
    'invitations: people who become members when they sign in with a verified e-mail'
  )
  invitation.command('create').description('invite a person; no e-mail is sent').argument('[email]')
    .option('--org <id>', 'the organization that they join; default: the token\'s own')
    .addOption(new Option('--role <name>', 'their role').choices(['owner', 'admin', 'member', 'viewer']))
    .addOption(new Option('--group <id>', 'a group that they join; repeat it for several').argParser(repeated))
    .addOption(
      new Option('--member <id>', 'a member who signs in with no provider yet, by their e-mail').conflicts([
        'role', 'group'
      ])
    )
    .addOption(expiryOption())
    .action(calling<Invitation, InvitationFlags>(showInvitation, create))
  withSearchFlags(
    invitation.command('list').description('list the invitations, newest first'),
    { org: true, found: 'the e-mail', sorts: ['expiresAt'] }
  )
    .addOption(
      new Option('--status <status>', 'those that are').choices(['open', 'accepted', 'expired', 'revoked'])
    )
    .action(calling<Page<Invitation>, SearchFlags & { status?: string }>(showInvitations, (api, flags) =>
      api.get('/invitations', { ...searchQuery(flags), status: flags.status })))
  invitation.command('show').description('show an invitation').argument('<id>')
    .action(calling(showInvitation, (api, _flags, id) => api.get(pathOf(id))))
  invitation.command('revoke').description('revoke an invitation that nobody has accepted').argument('<id>')
    .action(calling(showInvitation, (api, _flags, id) => api.post(`${pathOf(id)}/revoke`)))
  return invitation
}

function create (api: Api, { org, role, group, member, expires }: InvitationFlags, email?: string) {
  return api.post<Invitation>('/invitations', {
    organization: org, email, role, groups: group, member, expiresAt: expires?.at ?? undefined
  })
}

function pathOf (id: string): string {
  return `/invitations/${segment(id)}`
}

function showInvitation (invitation: Invitation): string {
  return fieldLines([
    ['id', invitation.id],
    ['status', invitation.status],
    ['email', invitation.email],
    ['organization', invitation.organization],
    ['role', invitation.role],
    ['groups', words(invitation.groups)],
    ['member', invitation.member],
    ['created', `${instant(invitation.createdAt)} by ${invitation.createdBy}`],
    ['expires', instant(invitation.expiresAt)],
    ['accepted', instant(invitation.acceptedAt)],
    ['revoked', instant(invitation.revokedAt)],
  ])
}

const showInvitations = showPage<Invitation>(
  ['ID', 'EMAIL', 'ORGANIZATION', 'ROLE', 'STATUS', 'EXPIRES'],
  ({ id, email, organization, role, status, expiresAt }) => [
    id, email, organization, role, status, instant(expiresAt)
  ],
  'There is no invitation yet. Create one: npx latchkey invitation create EMAIL --role member --org ORG'
)

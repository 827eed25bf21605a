/** `latchkey authorization …`: what members have allowed clients. */
import { Command } from 'commander'
import { segment, type Api } from '../api.ts'
import {
  calling, pageQuery, removed, requireChange, showPage, withPageFlags, type ListFlags, type Page
} from '../command.ts'
import { limitChangeOf, limitsText, withLimitFlags, type LimitFlags, type Limits } from '../flags/limit-flags.ts'
import { fieldLines, instant, words } from '../print.ts'

interface Allowed {
  id: string
  organization: string
  member: string
  client: string
  clientName: string | null
  resource: string
  scopes: string[]
  createdAt: string
}

interface Authorization extends Allowed, Limits {
  status: string
  lastUsedAt: string | null
  expiresAt: string
  endedAt: string | null
  endedReason: string | null
}

interface AllowedFlags extends ListFlags { member?: string, client?: string }

export function authorizationCommands (): Command {
  const authorization = new Command('authorization').description('authorizations: what members have allowed clients')
  withFilters(authorization.command('list').description('list the authorizations, newest first'))
    .action(calling<Page<Authorization>, AllowedFlags>(showAuthorizations, (api, flags) =>
      api.get('/authorizations', filtersOf(flags))))
  authorization.command('show').description('show an authorization').argument('<id>')
    .action(calling(showAuthorization, (api, _flags, id) => api.get(pathOf(id))))
  withLimitFlags(authorization.command('update').description('limit the calls of all its tokens').argument('<id>'))
    .action(calling<Authorization, LimitFlags>(showAuthorization, (api, flags, id) => api.patch(
      pathOf(id),
      requireChange(limitChangeOf(flags), '--calls-per-month, --credits-per-month, --calls-per-minute')
    )))
  authorization.command('end').description('refuse its tokens from the next request on').argument('<id>')
    .action(calling(showAuthorization, end))
  withFilters(authorization.command('consents').description('list what is not asked again, newest first'))
    .action(calling<Page<Allowed>, AllowedFlags>(showConsents, (api, flags) => api.get('/consents', filtersOf(flags))))
  authorization.command('end-consent').description('end what a member has allowed: the client has to ask again')
    .argument('<id>')
    .action(calling(showConsent, endConsent))
  return authorization
}

function withFilters (command: Command): Command {
  return withPageFlags(command, { org: true })
    .option('--member <id>', 'those of this member')
    .option('--client <id>', 'those for this client')
}

function filtersOf ({ member, client, ...flags }: AllowedFlags) {
  return { ...pageQuery(flags), member, client }
}

async function end (api: Api, _flags: object, id: string) {
  await api.delete(pathOf(id))
  return await api.get<Authorization>(pathOf(id))
}

async function endConsent (api: Api, _flags: object, id: string) {
  return await removed<Allowed>(api, `/consents/${segment(id)}`)
}

function pathOf (id: string): string {
  return `/authorizations/${segment(id)}`
}

function fieldsOf (allowed: Allowed): [string, string | null][] {
  return [
    ['id', allowed.id],
    ['organization', allowed.organization],
    ['member', allowed.member],
    ['client', allowed.client],
    ['name', allowed.clientName],
    ['resource', allowed.resource],
    ['scopes', words(allowed.scopes)],
    ['allowed', instant(allowed.createdAt)],
  ]
}

function showAuthorization (authorization: Authorization): string {
  const { lastUsedAt, expiresAt, endedAt, endedReason } = authorization
  return fieldLines([
    ...fieldsOf(authorization),
    ['last used', instant(lastUsedAt)],
    ['expires', instant(expiresAt)],
    ['limits', limitsText(authorization)],
    ['ended', endedAt === null ? null : `${instant(endedAt)}, ${endedReason}`],
  ])
}

function showConsent (consent: Allowed): string {
  return fieldLines(fieldsOf(consent))
}

const showAuthorizations = showPage<Authorization>(
  ['ID', 'MEMBER', 'CLIENT', 'RESOURCE', 'ALLOWED', 'LAST USED', 'STATUS'],
  ({ id, member, client, resource, createdAt, lastUsedAt, status }) => [
    id, member, client, resource, instant(createdAt), instant(lastUsedAt), status
  ],
  'No member has allowed a client anything yet.'
)

const showConsents = showPage<Allowed>(
  ['ID', 'MEMBER', 'CLIENT', 'RESOURCE', 'ALLOWED'],
  ({ id, member, client, resource, createdAt }) => [id, member, client, resource, instant(createdAt)],
  'No member has allowed a client anything yet.'
)

/** `latchkey org …`: organizations, the tenants of the deployment. */
import { Command, Option } from 'commander'
import { segment } from '../api.ts'
import {
  calling, repeated, requireChange, showPage, type Page
} from '../command.ts'
import { searchQuery, withSearchFlags, type SearchFlags } from '../flags/list-flags.ts'
import { UsageError } from '../failure.ts'
import { limitChangeOf, limitsText, withLimitFlags, type LimitFlags, type Limits } from '../flags/limit-flags.ts'
import { fieldLines, instant, words } from '../print.ts'

interface Organization extends Limits {
  id: string,
  name: string,
  status: string,
  features: string[],
  createdAt: string,
  suspendedAt: string | null,
  deletedAt: string | null
  requiresProvider: boolean
  unverifiedClients: string
}

export function organizationCommands (): Command {
  const org = new Command('org').description('organizations: the tenants that clients and keys belong to')
  withLimitFlags(
    org.command('create').description('create an organization; its limits apply to all its keys together').argument(
      '<name>'
    )
  )
    .addOption(featureOption())
    .action(
      calling<Organization, OrganizationFlags>(showOrganization, (api, { feature, ...flags }, name) =>
        api.post('/organizations', { name, features: feature, ...limitChangeOf(flags) }))
    )
  withSearchFlags(
    org.command('list').description('list the organizations, newest first'),
    { org: false, found: 'the name or the id', sorts: ['name'] }
  )
    .action(
      calling<Page<Organization>, SearchFlags>(
        showOrganizations, (api, flags) => api.get('/organizations', searchQuery(flags))
      )
    )
  org.command('show').description('show an organization').argument('<id>')
    .action(calling(showOrganization, (api, _flags, id) => api.get(pathOf(id))))
  addUpdate(org)
  org.command('suspend').description('refuse all of its credentials until it is resumed').argument('<id>')
    .option('--reason <text>', 'the reason, kept with the record')
    .action(
      calling<Organization, { reason?: string }>(showOrganization, (api, { reason }, id) =>
        api.post(`${pathOf(id)}/suspend`, { reason }))
    )
  org.command('resume').description('accept its credentials again').argument('<id>')
    .action(calling(showOrganization, (api, _flags, id) => api.post(`${pathOf(id)}/resume`)))
  org.command('delete').description('delete an organization for good: all of its credentials are refused at once')
    .argument('<id>')
    .option('--yes', 'do not ask for confirmation; this cannot be undone')
    .action(calling<Organization, { yes?: boolean }>(showOrganization, async (api, { yes }, id) => {
      if (!yes) {
        throw new UsageError(
          `This refuses every credential of ${id} for good and cannot be undone. To do it, add --yes; to refuse them ` +
            `for a while: npx latchkey org suspend ${id}`
        )
      }
      await api.delete(pathOf(id))
      return await api.get(pathOf(id))
    }))
  org.command('require-provider').description('let only trusted identity providers sign its members in')
    .argument('<id>')
    .option('--no-required', 'let passkeys and links sign them in too')
    .action(calling<Organization, { required: boolean }>(showOrganization, (api, { required }, id) =>
      api.post(`${pathOf(id)}/require-provider`, { required })))
  org.command('admit-clients').description('say which clients act for its members; what they allowed others ends')
    .argument('<id>')
    .addOption(
      new Option('--unverified <rule>', 'clients that registered themselves or have a metadata document').choices([
        'allow', 'approve', 'deny'
      ]).makeOptionMandatory()
    )
    .action(calling<Organization, { unverified: string }>(showOrganization, (api, { unverified }, id) =>
      api.post(`${pathOf(id)}/admit-clients`, { unverified })))
  return org
}

interface OrganizationFlags extends LimitFlags { name?: string, feature?: string[], withoutFeatures?: boolean }

function addUpdate (org: Command): void {
  withLimitFlags(
    org.command('update').description('rename an organization, or change its plan').argument('<id>')
  )
    .option('--name <text>', 'its new name')
    .addOption(featureOption('a feature of its plan; replaces the present ones; repeat it for several'))
    .addOption(new Option('--without-features', 'remove all features of its plan').conflicts('feature'))
    .action(
      calling<Organization, OrganizationFlags>(
        showOrganization,
        (api, { name, feature, withoutFeatures, ...flags }, id) => {
          const change = { name, features: withoutFeatures ? [] : feature, ...limitChangeOf(flags) }
          return api.patch(
            pathOf(id),
            requireChange(
              change,
              '--name, --feature, --without-features, --calls-per-month, --credits-per-month, --calls-per-minute'
            )
          )
        }
      )
    )
}

function featureOption (description = 'a feature of its plan, such as custom-scopes; repeat it for several'): Option {
  return new Option('--feature <name>', description).argParser(repeated)
}

function pathOf (id: string): string {
  return `/organizations/${segment(id)}`
}

function showOrganization (organization: Organization): string {
  return fieldLines([
    ['id', organization.id],
    ['name', organization.name],
    ['status', organization.status],
    ['features', words(organization.features)],
    ['limits', limitsText(organization)],
    ['sign-in', organization.requiresProvider ? 'with trusted identity providers alone' : null],
    ['unverified clients', organization.unverifiedClients === 'allow' ? null : organization.unverifiedClients],
    ['created', instant(organization.createdAt)],
    ['suspended', instant(organization.suspendedAt)],
    ['deleted', instant(organization.deletedAt)],
  ])
}

const showOrganizations = showPage<Organization>(
  ['ID', 'NAME', 'STATUS', 'CREATED'],
  organization => [organization.id, organization.name, organization.status, instant(organization.createdAt)],
  'There is no organization yet. Create one: npx latchkey org create NAME'
)

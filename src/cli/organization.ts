import { Command, Option } from 'commander'
import { segment } from './api.ts'
import { answering, pageQuery, repeated, requireChange, showPage, withPageFlags, type ListFlags, type Page } from './command.ts'
import { limitChangeOf, limitsText, withLimitFlags, type LimitFlags, type Limits } from './limits.ts'
import { fieldLines, instant, words } from './print.ts'
import { creditsCommand } from './usage.ts'

interface Organization extends Limits { id: string, name: string, status: string, features: string[], createdAt: string, suspendedAt: string | null }

/** `latchkey org …` */
export function organizationCommands (): Command {
  const org = new Command('org').description('organizations: the tenants that clients and keys belong to')
  withLimitFlags(org.command('create').description('create an organization; its limits bind all its keys together').argument('<name>'))
    .addOption(featureOption())
    .action(answering<Organization, OrganizationFlags>(show, (api, { feature, ...flags }, name) => api.post('/organizations', { name, features: feature, ...limitChangeOf(flags) })))
  withPageFlags(org.command('list').description('list the organizations, newest first'), { org: false })
    .action(answering<Page<Organization>, ListFlags>(showList, (api, flags) => api.get('/organizations', pageQuery(flags))))
  org.command('show').description('show an organization').argument('<id>')
    .action(answering(show, (api, _flags, id) => api.get(pathOf(id))))
  addUpdate(org)
  org.command('suspend').description('refuse all of its credentials from now on').argument('<id>')
    .action(answering(show, (api, _flags, id) => api.patch(pathOf(id), { status: 'suspended' })))
  org.command('resume').description('accept its credentials again').argument('<id>')
    .action(answering(show, (api, _flags, id) => api.patch(pathOf(id), { status: 'active' })))
  org.addCommand(creditsCommand())
  return org
}

interface OrganizationFlags extends LimitFlags { name?: string, feature?: string[], withoutFeatures?: boolean }

function addUpdate (org: Command): void {
  withLimitFlags(org.command('update').description('rename an organization, or change what its plan includes').argument('<id>'))
    .option('--name <text>', 'its new name')
    .addOption(featureOption('what its plan includes; the ones given replace the ones it has; repeat it for several'))
    .addOption(new Option('--without-features', 'its plan includes nothing of the kind any more').conflicts('feature'))
    .action(answering<Organization, OrganizationFlags>(show, (api, { name, feature, withoutFeatures, ...flags }, id) => {
      const change = { name, features: withoutFeatures ? [] : feature, ...limitChangeOf(flags) }
      return api.patch(pathOf(id), requireChange(change, '--name, --feature, --without-features, --calls-per-month, --credits-per-month, --calls-per-minute'))
    }))
}

function featureOption (description = 'what its plan includes, custom-scopes say; repeat it for several'): Option {
  return new Option('--feature <name>', description).argParser(repeated)
}

function pathOf (id: string): string {
  return `/organizations/${segment(id)}`
}

function show (organization: Organization): string {
  return fieldLines([
    ['id', organization.id],
    ['name', organization.name],
    ['status', organization.status],
    ['features', words(organization.features)],
    ['limits', limitsText(organization)],
    ['created', instant(organization.createdAt)],
    ['suspended', instant(organization.suspendedAt)],
  ])
}

const showList = showPage<Organization>(
  ['ID', 'NAME', 'STATUS', 'CREATED'],
  each => [each.id, each.name, each.status, instant(each.createdAt)],
  'There is no organization yet. Create one: npx latchkey org create NAME'
)

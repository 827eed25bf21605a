import { Command } from 'commander'
import { segment } from './api.ts'
import { answering, pageQuery, requireChange, showPage, withPageFlags, type ListFlags, type Page } from './command.ts'
import { fieldLines, instant } from './print.ts'
import { creditsCommand } from './usage.ts'

interface Organization { id: string, name: string, status: string, createdAt: string, suspendedAt: string | null }

/** `latchkey org …` */
export function organizationCommands (): Command {
  const org = new Command('org').description('organizations: the tenants that clients and keys belong to')
  org.command('create').description('create an organization').argument('<name>')
    .action(answering(show, (api, _flags, name) => api.post('/organizations', { name })))
  withPageFlags(org.command('list').description('list the organizations, newest first'), { org: false })
    .action(answering<Page<Organization>, ListFlags>(showList, (api, flags) => api.get('/organizations', pageQuery(flags))))
  org.command('show').description('show an organization').argument('<id>')
    .action(answering(show, (api, _flags, id) => api.get(pathOf(id))))
  org.command('update').description('rename an organization').argument('<id>').option('--name <text>', 'its new name')
    .action(answering<Organization, { name?: string }>(show, (api, { name }, id) => api.patch(pathOf(id), requireChange({ name }, '--name'))))
  org.command('suspend').description('refuse all of its credentials from now on').argument('<id>')
    .action(answering(show, (api, _flags, id) => api.patch(pathOf(id), { status: 'suspended' })))
  org.command('resume').description('accept its credentials again').argument('<id>')
    .action(answering(show, (api, _flags, id) => api.patch(pathOf(id), { status: 'active' })))
  org.addCommand(creditsCommand())
  return org
}

function pathOf (id: string): string {
  return `/organizations/${segment(id)}`
}

function show (organization: Organization): string {
  return fieldLines([
    ['id', organization.id],
    ['name', organization.name],
    ['status', organization.status],
    ['created', instant(organization.createdAt)],
    ['suspended', instant(organization.suspendedAt)],
  ])
}

const showList = showPage<Organization>(
  ['ID', 'NAME', 'STATUS', 'CREATED'],
  each => [each.id, each.name, each.status, instant(each.createdAt)],
  'There is no organization yet. Create one: npx latchkey org create NAME'
)

/** `latchkey client-approval …`: unverified clients that an organization approves. */
import { Command } from 'commander'
import { segment } from '../api.ts'
import { calling, pageQuery, removed, showPage, withPageFlags, type ListFlags, type Page } from '../command.ts'
import { fieldLines, instant } from '../print.ts'

interface Approval {
  id: string
  organization: string
  client: string
  name: string
  createdBy: string
  createdAt: string
}

export function clientApprovalCommands (): Command {
  const approval = new Command('client-approval').description(
    'approvals: unverified clients that may act for members, where `org admit-clients --unverified approve` takes one'
  )
  approval.command('create').description('approve a client').argument('<client>')
    .option('--org <id>', 'the organization that approves it; default: the token\'s own')
    .action(calling<Approval, { org?: string }>(showApproval, (api, { org }, client) =>
      api.post('/client-approvals', { organization: org, client })))
  withPageFlags(approval.command('list').description('list the approvals, newest first'), { org: true })
    .action(calling<Page<Approval>, ListFlags>(showApprovals, (api, flags) =>
      api.get('/client-approvals', pageQuery(flags))))
  approval.command('show').description('show an approval').argument('<id>')
    .action(calling(showApproval, (api, _flags, id) => api.get(pathOf(id))))
  approval.command('remove').description('take an approval back: what members allowed the client ends')
    .argument('<id>')
    .action(calling<Approval, object>(showApproval, async (api, _flags, id) => await removed(api, pathOf(id))))
  return approval
}

function pathOf (id: string): string {
  return `/client-approvals/${segment(id)}`
}

function showApproval ({ id, client, name, organization, createdBy, createdAt }: Approval): string {
  return fieldLines([
    ['id', id],
    ['client', client],
    ['name', name],
    ['organization', organization],
    ['approved', `${instant(createdAt)} by ${createdBy}`],
  ])
}

const showApprovals = showPage<Approval>(
  ['ID', 'CLIENT', 'NAME', 'ORGANIZATION', 'APPROVED'],
  ({ id, client, name, organization, createdAt }) => [id, client, name, organization, instant(createdAt)],
  'No client is approved yet: npx latchkey client-approval create CLIENT --org ORG'
)

/** `latchkey replicas …`: the servers on a database, and changes that it lost. */
import { Command, Option } from 'commander'
import { segment } from '../api.ts'
import { calling, pageQuery, showPage, withPageFlags, type ListFlags, type Page } from '../command.ts'
import { fieldLines, instant } from '../print.ts'

interface Replica {
  id: string
  host: string
  pid: number
  version: string
  startedAt: string
  seenAt: string
  leftAt: string | null
  live: boolean
  behind: number
}

export function replicasCommand (): Command {
  const replicas = withPageFlags(
    new Command('replicas').description(
      'list the servers on this database: their state, and how many changes each is behind'
    ),
    { org: false }
  )
    .action(calling<Page<Replica>, ListFlags>(showReplicas, (api, flags) => api.get('/replicas', pageQuery(flags))))
  const lost = replicas.command('lost')
    .description(
      'list what is refused because a failover of the database lost a change; revoke it again, or accept it'
    )
  const states = ['undecided', 'accepted', 'revoked', 'gone']
  withPageFlags(lost, { org: false })
    .addOption(new Option('--state <name>', 'only in this state').choices(states).default('undecided'))
    .addOption(new Option('--accept <id>', 'stop refusing it: the state in the database is right').conflicts('all'))
    .option('--all', 'accept every undecided change')
    .action(calling<Lost, LostFlags>(showLost, async (api, { accept, all, state, ...flags }) => {
      if (accept !== undefined) return await api.post(`/lost-changes/${segment(accept)}/accept`)
      if (all === true) return await api.post('/lost-changes/accept')
      return await api.get('/lost-changes', { ...pageQuery(flags), state })
    }))
  return replicas
}

interface LostFlags extends ListFlags { accept?: string, all?: boolean, state?: string }

interface LostChange {
  id: string
  kind: string
  subject: string
  organization: string | null
  changedAt: string
  noticedAt: string
  state: string
  decidedBy: string | null
}

/** The answers of `latchkey replicas lost`: a list, one accepted change, or the number of accepted changes. */
type Lost = Page<LostChange> | LostChange | { accepted: number }

function showLost (lost: Lost): string {
  if ('accepted' in lost) return fieldLines([['accepted', lost.accepted]])
  return showLostChanges('data' in lost ? lost : { data: [lost], pagination: { limit: 1, hasMore: false } })
}

const showLostChanges = showPage<LostChange>(
  ['ID', 'KIND', 'SUBJECT', 'ORGANIZATION', 'STATE', 'CHANGED', 'NOTICED'],
  ({ id, kind, subject, organization, state, changedAt, noticedAt }) =>
    [id, kind, subject, organization, state, instant(changedAt), instant(noticedAt)],
  'There is no such change.'
)

const showReplicas = showPage<Replica>(
  ['REPLICA', 'STATE', 'BEHIND', 'HOST', 'PID', 'VERSION', 'STARTED', 'LAST SEEN'],
  replica => [
    replica.id,
    stateOf(replica),
    String(replica.behind),
    replica.host,
    String(replica.pid),
    replica.version,
    instant(replica.startedAt),
    instant(replica.seenAt)
  ],
  'There is no server.'
)

function stateOf ({ live, leftAt }: Replica): string {
  if (leftAt !== null) return 'left'
  return live ? 'live' : 'silent'
}

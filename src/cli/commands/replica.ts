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

/** `latchkey replicas` */
export function replicasCommand (): Command {
  const replicas = withPageFlags(
    new Command('replicas').description(
      'the servers on this database: which are live, and how many changes each is behind'
    ),
    { org: false }
  )
    .action(calling<Page<Replica>, ListFlags>(showReplicas, (api, flags) => api.get('/replicas', pageQuery(flags))))
  const lost = replicas.command('lost')
    .description(
      'what is refused because a failover of the database has lost a change of it; revoke it again, or accept it'
    )
  const states = ['undecided', 'accepted', 'revoked', 'gone']
  withPageFlags(lost, { org: false })
    .addOption(new Option('--state <name>', 'only those in this state').choices(states).default('undecided'))
    .addOption(new Option('--accept <id>', 'refuse it no longer: the database is right about it').conflicts('all'))
    .option('--all', 'refuse nothing of it any longer')
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

/** What the three ways to call `latchkey replicas lost` answer. */
type Lost = Page<LostChange> | LostChange | { accepted: number }

function showLost (lost: Lost): string {
  if ('accepted' in lost) return fieldLines([['accepted', lost.accepted]])
  return showLostChanges('data' in lost ? lost : { data: [lost], pagination: { limit: 1, hasMore: false } })
}

const showLostChanges = showPage<LostChange>(
  ['ID', 'KIND', 'SUBJECT', 'ORGANIZATION', 'STATE', 'CHANGED', 'NOTICED'],
  ({ id, kind, subject, organization, state, changedAt, noticedAt }) =>
    [id, kind, subject, organization, state, instant(changedAt), instant(noticedAt)],
  'Nothing of that is known.'
)

const showReplicas = showPage<Replica>(
  ['REPLICA', 'STATE', 'BEHIND', 'HOST', 'PID', 'VERSION', 'STARTED', 'LAST SEEN'],
  replica => [
    replica.id, stateOf(replica), String(replica.behind), replica.host, String(replica.pid), replica.version, instant(replica.startedAt),
    instant(replica.seenAt)
  ],
  'There is no server.'
)

function stateOf ({ live, leftAt }: Replica): string {
  if (leftAt !== null) return 'left'
  return live ? 'live' : 'silent'
}

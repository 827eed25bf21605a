import { Command } from 'commander'
import { answering, pageQuery, showPage, withPageFlags, type ListFlags, type Page } from './command.ts'
import { instant } from './print.ts'

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
  return withPageFlags(new Command('replicas').description('the servers on this database: which are live, and how many changes each is behind'), { org: false })
    .action(answering<Page<Replica>, ListFlags>(showList, (api, flags) => api.get('/replicas', pageQuery(flags))))
}

const showList = showPage<Replica>(
  ['REPLICA', 'STATE', 'BEHIND', 'HOST', 'PID', 'VERSION', 'STARTED', 'LAST SEEN'],
  each => [each.id, state(each), String(each.behind), each.host, String(each.pid), each.version, instant(each.startedAt), instant(each.seenAt)],
  'There is no server.'
)

function state ({ live, leftAt }: Replica): string {
  if (leftAt !== null) return 'left'
  return live ? 'live' : 'silent'
}

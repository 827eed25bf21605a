/** The screen of servers, for operators: which there are, what this one says of itself, and lost changes. */
import { html } from 'ghtml'
import { ago, badge, count, dayOf, facts, figures } from '../elements.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { listOf, pageSize, type Listing } from '../list.ts'
import { formAt, screenAt, type Dashboard, type Outcome, type Submission, type Visit } from '../visit.ts'

const serversPath = `${dashboardPath}/servers`

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
interface Health {
  status: 'ready' | 'not_ready'
  checks: Readonly<Record<string, { ok: boolean, problem: string | null, milliseconds: number }>>
}
interface Metrics {
  requests: { total: number, inFlight: number, meanMilliseconds: number }
  database: { statements: number, meanMilliseconds: number, retries: number }
  eventLoop: { meanMilliseconds: number, maxMilliseconds: number }
  memory: { residentBytes: number }
}
interface LostChange { id: string, kind: string, subject: string, noticedAt: string, state: string }

export function serverScreens (app: Dashboard): void {
  screenAt(app, '/servers', serversScreen)
  formAt(app, '/servers/lost-changes/:id/accept', accept)
}

async function serversScreen ({ api, me, query, now }: Visit): Promise<Screen> {
  const [replicas, health, metrics, lost] = await Promise.all([
    api.get<Listing<Replica>>('/replicas', { limit: pageSize, cursor: query('after') || undefined }),
    api.get<Health>('/health'), api.get<Metrics>('/metrics'),
    api.get<Listing<LostChange>>('/lost-changes', { limit: pageSize, state: 'undecided' })
  ])
  return {
    title: 'Servers',
    path: [],
    place: serversPath,
    lead: 'A change takes effect on all of them before it is answered. One that lost contact refuses to answer from ' +
      'memory until it has caught up.',
    content: html`!${replicaTable(replicas, query('after'), now)}
<h2>This server</h2>
!${figuresOf(metrics)}
!${checksOf(health)}
!${lost.data.length === 0 ? '' : lostTable(lost, me.permissions.includes('replicas:write'))}`
  }
}

function replicaTable (replicas: Listing<Replica>, after: string, now: Date): string {
  return listOf<Replica>({
    caption: 'Servers on this database',
    nouns: ['server', 'servers'],
    path: serversPath,
    filter: {},
    after,
    columns: [
      {
        name: 'Server',
        cell: ({ host, pid, id }) => html`${host} <small>process ${pid}</small><br><code class="bare">${id}</code>`
      },
      { name: 'State', cell: stateOf },
      { name: 'Version', cell: ({ version }) => html`${version}` },
      { name: 'Started', cell: ({ startedAt }) => ago(startedAt, now) },
      { name: 'Seen', cell: ({ seenAt }) => ago(seenAt, now) }
    ],
    hasEnded: ({ leftAt }) => leftAt !== null,
    empty: 'No servers.'
  }, replicas)
}

function stateOf ({ leftAt, live, behind }: Replica): string {
  if (leftAt !== null) return badge('plain', 'Left')
  if (!live) return badge('bad', 'Out of contact')
  return behind === 0 ? badge('ok', 'Up to date') : badge('warn', `${count(behind)} changes behind`)
}

function figuresOf ({ requests, database, eventLoop, memory }: Metrics): string {
  return figures([
    ['Requests since the start', count(requests.total)],
    ['Mean time of a request', `${requests.meanMilliseconds.toFixed(1)} ms`],
    ['Mean time of a statement', `${database.meanMilliseconds.toFixed(1)} ms`],
    ['Longest wait of the event loop', `${eventLoop.maxMilliseconds.toFixed(0)} ms`],
    ['Memory', `${count(Math.round(memory.residentBytes / 1_048_576))} MiB`]
  ])
}

function checksOf ({ status, checks }: Health): string {
  return facts([
    ['Ready', status === 'ready' ? badge('ok', 'Ready') : badge('bad', 'Not ready')],
    ...Object.entries(checks).map(([name, { ok, problem, milliseconds }]) => [
      name.replaceAll('_', ' '),
      html`!${ok ? badge('ok', 'Passes') : badge('bad', 'Fails')} ${problem ?? `in ${count(milliseconds)} ms`}`
    ] as const)
  ])
}

function lostTable (lost: Listing<LostChange>, mayWrite: boolean): string {
  return html`<h2>Lost changes</h2>
<p class="warn">The database lost these in a failover. What they were about is refused until
somebody accepts what the database has, or revokes it again.</p>
!${listOf<LostChange>({
  caption: 'Lost changes',
  nouns: ['lost change', 'lost changes'],
  path: serversPath,
  filter: {},
  after: '',
  columns: [
    { name: 'About', cell: ({ kind, subject }) => html`${kind.replaceAll('_', ' ')} <code class="bare">${subject}</code>` },
    { name: 'Noticed', cell: ({ noticedAt }) => dayOf(noticedAt) }
  ],
  ...(mayWrite
    ? {
        actions: ({ id, subject }: LostChange) => html`<form method="post"
 action="${serversPath}/lost-changes/${id}/accept"><button type="submit">Accept<span class="unseen"> what the
database has of ${subject}</span></button></form>`
      }
    : {}),
  empty: 'None.'
}, lost)}`
}

async function accept ({ api, parameter }: Submission): Promise<Outcome> {
  await api.change('POST', `/lost-changes/${encodeURIComponent(parameter('id'))}/accept`)
  return { to: serversPath }
}

/** The screens of skills: the versions that were published, one of them, and its yanking. */
import { html } from 'ghtml'
import { may } from '../api.ts'
import { reasonOf } from '../confirmation.ts'
import { badge, count, dayOf, facts } from '../elements.ts'
import { endingAt } from '../ending.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { filterForm, given, listOf, pageSize, type Column, type Listing, type Options } from '../list.ts'
import { screenAt, type Dashboard, type Visit } from '../visit.ts'
import { publicationScreens } from './publication.ts'

interface Skill {
  id: string
  name: string
  version: string
  description: string
  license: string | null
  compatibility: string | null
  allowedTools: string | null
  digest: string
  size: number
  files: number
  format: string
  status: 'active' | 'yanked'
  yankedReason: string | null
  publishedBy: string
  createdAt: string
  signature?: string
}

const path = `${dashboardPath}/skills`
const way = [{ name: 'Skills', href: path }]
const states: Options = [['', 'All states'], ['active', 'Active'], ['yanked', 'Yanked']]

const empty = html`No skills yet. A skill is a folder with a SKILL.md; a version of it is published once, with its digest
and a signature: <code class="bare">latchkey skill publish pdf-forms.zip --release 1.0.0</code>`

export function skillScreens (app: Dashboard): void {
  screenAt(app, '/skills', listScreen)
  publicationScreens(app)
  screenAt(app, '/skills/:id', skillScreen)
  endingAt<Skill>(app, '/skills/:id/yank', {
    place: path,
    verb: 'yank',
    takesReason: true,
    load: async ({ api, parameter }) => await api.get(`/skills/${encodeURIComponent(parameter('id'))}`),
    about: skill => ({
      name: nameOf(skill),
      title: `Yank ${nameOf(skill)}`,
      path: way,
      lead: 'It is marked as not to be used any more. This cannot be undone.',
      warning: 'It stays readable by its exact version, so that what is installed can still be verified.',
      button: 'Yank version',
      keep: `${path}/${skill.id}`,
    }),
    end: async (submission, { id }) => {
      await submission.api.change('POST', `/skills/${id}/yank`, { body: reasonOf(submission) })
      return { to: `${path}/${id}` }
    },
  })
}

function nameOf ({ name, version }: Skill): string {
  return `${name}@${version}`
}

async function listScreen ({ api, me, query }: Visit): Promise<Screen> {
  const filter = { status: query('status') }
  const after = query('after')
  const listing = await api.get<Listing<Skill>>('/skills', { limit: pageSize, ...given({ ...filter, cursor: after }) })
  return {
    title: 'Skills',
    path: [],
    place: path,
    lead: 'Versions of skills, each published once and never overwritten.',
    ...(may(me, 'skills:write')
      ? { action: html`<a class="button primary" href="${path}/publish">Publish version</a>` }
      : {}),
    content: html`!${filterForm(path, [{ name: 'status', label: 'State', options: states, chosen: filter.status }])}
!${listOf<Skill>({
  caption: 'Versions of skills',
  nouns: ['version', 'versions'],
  path,
  filter,
  after,
  columns,
  hasEnded: ({ status }) => status === 'yanked',
  empty,
}, listing)}`
  }
}

const columns: Column<Skill>[] = [
  {
    name: 'Skill',
    cell: skill => html`<a href="${path}/${skill.id}">${nameOf(skill)}</a>!${yankedBadge(skill)}`
  },
  { name: 'For', cell: ({ description }) => html`${description.slice(0, 200)}` },
  { name: 'Bytes', cell: ({ size }) => html`${count(size)}` },
  { name: 'Published', cell: ({ createdAt }) => dayOf(createdAt) },
]

function yankedBadge ({ status }: Skill): string {
  return status === 'yanked' ? html` !${badge('bad', 'Yanked')}` : ''
}

async function skillScreen ({ api, me, parameter }: Visit): Promise<Screen> {
  const skill = await api.get<Skill>(`/skills/${encodeURIComponent(parameter('id'))}`)
  const mayYank = skill.status === 'active' && may(me, 'skills:write')
  return {
    title: nameOf(skill),
    path: way,
    place: path,
    ...(mayYank ? { action: html`<a class="button danger" href="${path}/${skill.id}/yank">Yank version</a>` } : {}),
    content: facts([
      ['State', skill.status === 'yanked' ? badge('bad', 'Yanked') : badge('ok', 'Active')],
      ...(skill.yankedReason === null ? [] : [['Reason', html`${skill.yankedReason}`] as const]),
      ['For', html`${skill.description}`],
      ['License', html`${skill.license ?? 'not said'}`],
      ['Needs', html`${skill.compatibility ?? 'nothing'}`],
      ['Asks for tools', html`${skill.allowedTools ?? 'none'} <small>(a request, which permits nothing)</small>`],
      ['Archive', html`${skill.format}, ${count(skill.size)} bytes, ${count(skill.files)} files`],
      ['Digest', html`<code class="bare">${skill.digest}</code>`],
      ['Signature', html`<code class="bare">${skill.signature ?? ''}</code>`],
      ['Published', html`!${dayOf(skill.createdAt)} by ${skill.publishedBy}`],
      ['Download', html`<code class="bare">latchkey skill download ${skill.id}</code>`],
    ])
  }
}

/** The dry run: a token of a platform is pasted, and the page says which rule it meets, or why it meets none. */
import { html } from 'ghtml'
import { badge, facts } from '../elements.ts'
import type { Outcome, Submission } from '../visit.ts'
import { issuersPath, way } from './issuer.ts'

interface Attempt {
  accepted: boolean
  detail: string | null
  assertion: { iss: string | null, sub: string | null }
  issuer: string | null
  rule: string | null
  reviewed: boolean
  issuers: readonly {
    id: string
    name: string
    detail: string | null
    rules: readonly { id: string, name: string, problem: string | null }[]
  }[]
}

export function attemptForm (): string {
  return html`<h2>Try a token</h2>
<form class="panel" method="post" action="${issuersPath}/try">
<div class="field"><label for="assertion">Token of the platform</label>
<p class="hint" id="assertion-hint">A JWT. It is neither kept nor logged, and nothing is used up.</p>
<textarea id="assertion" name="assertion" rows="4" required spellcheck="false" autocomplete="off"
aria-describedby="assertion-hint"></textarea></div>
<p class="actions"><button type="submit">Try</button></p></form>`
}

/** The token is not shown again. */
export async function attempt ({ api, field }: Submission): Promise<Outcome> {
  const found = await api.change<Attempt>('POST', '/trusted-issuers/try', {
    body: { assertion: field('assertion').trim() }
  })
  const { accepted, detail, assertion, issuers, reviewed, rule } = found
  const content = html`<p>!${accepted ? badge('ok', 'Accepted') : badge('bad', 'Refused')} ${detail ?? ''}</p>
!${facts([
  ['iss', html`<code>${assertion.iss ?? 'none'}</code>`],
  ['sub', html`<code>${assertion.sub ?? 'none'}</code>`],
  ...(rule === null ? [] : [['Rule', html`<code>${rule}</code>`] as const]),
  ...(reviewed ? [['Its cluster', 'says that it is still good'] as const] : []),
])}
!${issuers.map(({ id, name, detail: why, rules }) => html`<h2><a href="${issuersPath}/${id}">${name}</a></h2>
!${why === null ? '' : html`<p>${why}</p>`}
<ul>!${rules.map(each => html`<li><bdi>${each.name}</bdi>: ${each.problem ?? 'is met'}</li>`)}</ul>`)}
!${attemptForm()}`
  return { screen: { title: 'A token, tried', path: way, place: issuersPath, content }, status: 200 }
}

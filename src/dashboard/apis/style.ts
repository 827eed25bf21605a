/** The style in which an API refuses, and what its refusals look like. */
import { html } from 'ghtml'
import type { Static } from 'typebox'
import type { RefusalExamples } from '../../management/schemas/refusal-examples.ts'
import { choices } from '../elements.ts'
import type { Visit } from '../visit.ts'
import type { Api } from './declared-api.ts'

type Example = Static<typeof RefusalExamples>['data'][number]

/** The styles, by how their bodies look. */
const styles: readonly { value: Api['style'], label: string, hint: string }[] = [
  { value: 'rfc9457', label: 'Problem details', hint: 'application/problem+json of RFC 9457; key in a header.' },
  { value: 'ledgerbee', label: 'statusCode, message, code', hint: 'With the time and the path; key in a header.' },
  { value: 'opencrane', label: 'error, code, details', hint: 'As the API of Latchkey itself; key as Bearer.' },
  { value: 'crane-ledger', label: 'error.type, error.code', hint: 'Over TLS alone; key as Bearer.' },
  { value: 'craftkit', label: 'error.code, error.message', hint: 'Key as Bearer.' },
  { value: 'craftdesk', label: 'message, code, errors', hint: 'Key as Bearer.' },
]

export function styleField (chosen: string): string {
  return choices('Refusals look like', 'style', styles, chosen)
}

export function styleName (style: Api['style']): string {
  return styles.find(({ value }) => value === style)?.label ?? style
}

const reasons: Readonly<Record<Example['reason'], string>> = {
  no_credential: 'Without a credential',
  revoked: 'With a revoked key',
  insufficient_scope: 'Without the scope',
  rate_limited: 'Over a limit',
}

/** Refusals as the guards of an API answer them, by the API's own words. */
export async function refusalsPanel ({ api }: Visit, { id }: Api): Promise<string> {
  const { data } = await api.get<{ data: readonly Example[] }>(`/resources/${id}/refusals`)
  return html`<section class="panel"><h2>What its refusals look like</h2>
!${data.map(({ reason, status, headers, body }, index) => html`<details!${index === 0 ? ' open' : ''}><summary>${
  reasons[reason]}: ${status}</summary>
<pre tabindex="0" role="region" aria-label="${reasons[reason]}">${asSent(status, headers, body)}</pre></details>
`)}</section>`
}

function asSent (status: number, headers: Readonly<Record<string, string>>, body: string): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${status}`, ...lines, '', JSON.stringify(JSON.parse(body), null, 2)].join('\n')
}

/** How the program that gets a key sends it: the header that its API takes, and a call to try. */
import { html } from 'ghtml'
import { managementApi } from '../apis/built-in.ts'
import type { Resource } from '../apis/grants.ts'
import type { ApiKey } from './api-key.ts'

/** Styles whose keys stand in a header of their own; those of the others are bearer credentials. */
const withOwnHeader = new Set(['rfc9457', 'ledgerbee'])

/** `resources`: those that the person may read; a key of another one is not said how to send. */
export function useOf ({ resource }: Pick<ApiKey, 'resource'>, resources: readonly Resource[]): string | undefined {
  const found = resources.find(({ identifier }) => identifier === resource)
  if (found === undefined) return undefined
  const isManagement = found.id === managementApi
  const hasOwnHeader = isManagement || withOwnHeader.has(found.style)
  const [name, value] = hasOwnHeader ? ['x-api-key', '$API_KEY'] : ['Authorization', 'Bearer $API_KEY']
  // Histories of shells are kept: the key comes from a variable that is read without one.
  const command = `read -rs API_KEY   # paste the key, then Enter
curl ${resource}${isManagement ? '/auth/me' : ''} -H "${name}: ${value}"`
  return html`<p>Send it with each call, in the header <code>${name}</code>!${hasOwnHeader
? ''
: html`, after the word <code>Bearer</code>`}. To try it:</p>
<pre tabindex="0" role="region" aria-label="A call with the key">${command}</pre>
<p class="muted">Keep it in the secret store of the program, and out of its code and of URLs.</p>`
}

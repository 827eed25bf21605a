/** Forms that can be mended: what was typed is kept, and what the API has against it stands at its field. */
import { html } from 'ghtml'
import type { ApiRefusal } from './api.ts'
import type { Screen } from './frame.ts'

/** What is wrong with a form; `field`: as the API names it, '' where it names none. */
export interface Problem {
  field: string
  message: string
  /** Whether the same is done with `force`. Absent: no. */
  takesForce?: boolean
}

export function problemIn ({ message, details }: ApiRefusal): Problem {
  const field = typeof details.field === 'string' ? details.field : ''
  return { field, message, ...(details.force === true ? { takesForce: true } : {}) }
}

/** What is wrong with one field; null: nothing. */
export function problemAt (problem: Problem | null, name: string): string | null {
  return problem?.field === name ? problem.message : null
}

/** What is wrong with no field of the form, as markup. `fields`: those that say themselves what is wrong. */
export function alertOf (problem: Problem | null, fields: readonly string[]): string {
  return problem === null || fields.includes(problem.field)
    ? ''
    : html`<p class="alert" role="alert">${problem.message}</p>`
}

/** A value that was sent, beside what it is now. */
export interface Overtaken { name: string, now: string, sent: string }

/** The form of a change, where it stands, and what it would have changed. */
export interface RefusedChange {
  around: Pick<Screen, 'path' | 'place'>
  /** The page of the record. */
  page: string
  values: readonly Overtaken[]
  /** The form with what was sent. */
  again (problem: Problem): Screen | Promise<Screen>
}

/** A change that the API refused: of a stale record both values, else the form again with the refusal at its field. */
export async function refusedChange (
  refusal: ApiRefusal, { around, page, values, again }: RefusedChange
): Promise<Screen> {
  return refusal.status === 412 ? staleScreen(around, values, page) : await again(problemIn(refusal))
}

/** The answer to a form whose record has changed since the form was shown. The form has changed nothing. */
function staleScreen (
  { path, place }: Pick<Screen, 'path' | 'place'>, values: readonly Overtaken[], page: string
): Screen {
  return {
    title: 'It was changed meanwhile',
    path,
    place,
    lead: 'Somebody else was faster. What you sent has changed nothing.',
    content: html`<div class="scrolling" tabindex="0" role="region" aria-label="Both values"><table>
<caption class="unseen">What it is now, and what you sent</caption>
<thead><tr><td></td><th scope="col">Now</th><th scope="col">You sent</th></tr></thead>
<tbody>!${values.map(({ name, now, sent }) => html`<tr><th scope="row">${name}</th>
<td data-label="Now">${now}</td><td data-label="You sent">${sent}</td></tr>
`)}</tbody></table></div>
<p><a class="button primary" href="${page}">Look at it as it is now</a></p>`
  }
}

/** The field by which the API knows which state of a record a form was about. */
export function stateField (etag: string): string {
  return html`<input type="hidden" name="etag" value="${etag}">`
}

/** The question before something ends: what stops working, the gentler way, and the name to type. */
import { html } from 'ghtml'
import { textField } from './elements.ts'
import type { Submission } from './visit.ts'

export interface Confirmation {
  /** The path that the form is sent to. */
  action: string
  /** The path of `Keep it`. */
  keep: string
  /** What has to be typed. */
  name: string
  /** What stops working, since when it was not used, and the gentler way, as markup. */
  warning: string
  /** What the button does: `Revoke key`. */
  button: string
  /** Whether the API takes a reason. */
  takesReason: boolean
  /** Further fields, as markup; absent: none. */
  more?: string
  /** What is wrong with what was sent; null: nothing was. */
  problem: string | null
  /** What was sent as reason. */
  reason?: string
}

/** The focus starts in the field, never on the button that ends. */
export function confirmationForm (
  { action, keep, name, warning, button, takesReason, more = '', problem, reason = '' }: Confirmation
): string {
  return html`<form class="panel" method="post" action="${action}" data-name="${name}">
<p class="warn">!${warning}</p>
!${textField({ name: 'confirmation', label: `Type ${name} to confirm`, required: true, problem, isFocused: true })}
!${takesReason
? textField({ name: 'reason', label: 'Reason (optional)', hint: 'For the audit log.', value: reason })
: ''}!${more}
<p class="actions"><a class="button" href="${keep}">Keep it</a>
<button type="submit" class="danger filled">${button}</button></p></form>`
}

/** What is wrong with a confirmation that was sent; null: the name was typed. `verb`: `revoke`. */
export function problemOf ({ field }: Submission, name: string, verb: string): string | null {
  return asSeen(field('confirmation')) === asSeen(name) ? null : `Type ${name} to ${verb} it.`
}

/** The reason that was sent, as a body for the API. */
export function reasonOf ({ field }: Submission): { reason?: string } {
  const reason = field('reason').trim()
  return reason === '' ? {} : { reason }
}

/** A name as a page shows it and a field takes it: spaces and line breaks are one space. */
function asSeen (name: string): string {
  return name.normalize('NFC').split(/\s+/).filter(Boolean).join(' ')
}

/** Small parts of screens: states, instants, numbers, what is shown where there is nothing. */
import { html } from 'ghtml'
import { dayInWords, moment } from '../pages/consent/display.ts'
import { ApiRefusal } from './api.ts'

/** What a colour means; the text says it, too. */
export type Tone = 'ok' | 'brass' | 'warn' | 'bad' | 'plain'

/** A state: a dot and a text. */
export function badge (tone: Tone, text: string): string {
  return html`<span class="badge ${tone}">${text}</span>`
}

/** How long ago something was, as markup. `text`: as the API writes instants; null: never. */
export function ago (text: string | null, now: Date): string {
  return text === null ? html`<span class="muted">never</span>` : moment(new Date(text), now)
}

/** The day of an instant, UTC, as markup. */
export function dayOf (text: string): string {
  return html`<time datetime="${text}" title="${text}">${dayInWords(new Date(text))}</time>`
}

/** Days. */
const longestExpiry = 3_660

/** The end of a day, UTC: the same for each attempt on one day, so that a repeated form is the same form. @throws
 * ApiRefusal for days that no form offers. */
export function endOfDayAfter (now: Date, days: number): string {
  if (!(days > 0 && days <= longestExpiry)) {
    throw new ApiRefusal(422, { error: 'Choose one of the times until it expires.' })
  }
  const end = new Date(now)
  end.setUTCDate(end.getUTCDate() + days)
  end.setUTCHours(23, 59, 59, 0)
  return end.toISOString()
}

const number = new Intl.NumberFormat('en')

/** A number with separators. */
export function count (value: number): string {
  return number.format(value)
}

/** A field for one line of text, with its label and what is wrong with it. */
export interface TextField {
  name: string
  label: string
  value?: string
  hint?: string
  /** Null: nothing is wrong. */
  problem?: string | null
  required?: boolean
  /** Of a password, browsers neither show nor suggest the text; give it no `value`. */
  type?: 'text' | 'date' | 'password'
  placeholder?: string
  /** Whether the page opens in it. */
  isFocused?: boolean
}

export function textField (
  { name, label, value = '', hint, problem = null, required, type = 'text', placeholder, isFocused = false }: TextField
): string {
  const described = [hint !== undefined && `${name}-hint`, problem !== null && `${name}-problem`].filter(Boolean)
  return html`<div class="field"><label for="${name}">${label}</label>
!${hint === undefined ? '' : html`<p class="hint" id="${name}-hint">${hint}</p>`}
<input type="${type}" id="${name}" name="${name}" value="${value}"!${required === true ? ' required' : ''}
!${problem === null ? '' : ' aria-invalid="true"'}!${problem === null && !isFocused ? '' : ' autofocus'}
!${type === 'password' ? ' autocomplete="off"' : ''}!${placeholder === undefined ? '' : html` placeholder="${placeholder}"`}
!${described.length === 0 ? '' : html` aria-describedby="${described.join(' ')}"`}>
!${problem === null ? '' : html`<p class="problem" id="${name}-problem">${problem}</p>`}</div>`
}

/** One of several, in a list that opens. */
export function selectField (
  { name, label, options, chosen, hint }:
  { name: string, label: string, options: readonly (readonly [string, string])[], chosen: string, hint?: string }
): string {
  return html`<div class="field"><label for="${name}">${label}</label>
!${hint === undefined ? '' : html`<p class="hint" id="${name}-hint">${hint}</p>`}
<select id="${name}" name="${name}"!${hint === undefined ? '' : html` aria-describedby="${name}-hint"`}>
!${options.map(([value, text]) =>
  html`<option value="${value}"!${value === chosen ? ' selected' : ''}>${text}</option>`)}</select></div>`
}

/** Pages of one place, beside each other. */
export function tabs (label: string, pages: readonly (readonly [name: string, path: string])[], path: string): string {
  return html`<nav class="tabs" aria-label="${label}">!${pages.map(([name, href]) =>
    html`<a href="${href}"!${href === path ? ' aria-current="page"' : ''}>${name}</a>`)}</nav>`
}

export interface Choice { value: string, label: string, hint?: string }

/** One of several, all in sight: beside each other, where none has a hint. */
export function choices (legend: string, name: string, options: readonly Choice[], chosen: string): string {
  const isShort = options.every(({ hint }) => hint === undefined)
  return html`<fieldset class="field!${isShort ? ' beside' : ''}"><legend>${legend}</legend>
!${options.map(({ value, label, hint }) => html`<label class="choice"><input type="radio" name="${name}"
 value="${value}"!${value === chosen ? ' checked' : ''}> <span>${label}!${hint === undefined
  ? ''
  : html`<small>${hint}</small>`}</span></label>
`)}</fieldset>`
}

/** A field for several lines of text. */
export function textArea ({ name, label, value = '', hint, problem = null }: TextField): string {
  const described = [hint !== undefined && `${name}-hint`, problem !== null && `${name}-problem`].filter(Boolean)
  return html`<div class="field"><label for="${name}">${label}</label>
!${hint === undefined ? '' : html`<p class="hint" id="${name}-hint">${hint}</p>`}
<textarea id="${name}" name="${name}" rows="6"!${problem === null ? '' : ' aria-invalid="true" autofocus'}
!${described.length === 0 ? '' : html` aria-describedby="${described.join(' ')}"`}>
${value}</textarea>
!${problem === null ? '' : html`<p class="problem" id="${name}-problem">${problem}</p>`}</div>`
}

/** Several of many: a box for each. */
export function boxes (name: string, options: readonly Choice[], chosen: ReadonlySet<string>): string {
  return html`!${options.map(({ value, label, hint }) => html`<label class="choice"><input type="checkbox"
 name="${name}" value="${value}"!${chosen.has(value) ? ' checked' : ''}> <span><code>${label}</code>!${
  hint === undefined ? '' : html`<small>${hint}</small>`}</span></label>
`)}`
}

/** Names and values, as markup. */
export function facts (rows: readonly (readonly [name: string, value: string])[]): string {
  return html`<dl class="panel">!${rows.map(([name, value]) => html`<dt>${name}</dt><dd>!${value}</dd>
`)}</dl>`
}

/** Texts for machines, as markup; none: `none`. */
export function codes (texts: readonly string[], none = 'none'): string {
  return texts.length === 0 ? html`${none}` : html`!${texts.map(text => html`<code>${text}</code> `)}`
}

/** A name where one is known, else the id, as markup. */
export function nameOrId (id: string, names: ReadonlyMap<string, string>): string {
  const name = names.get(id)
  return name === undefined ? html`<code class="bare">${id}</code>` : html`${name}`
}

/** Numbers in a row, each with what it is. */
export function figures (all: readonly (readonly [name: string, value: string])[]): string {
  return html`<dl class="figures">!${all.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>
`)}</dl>`
}

/** A part of a whole. `shown`: its number as a text; absent: `value`. */
export interface Share { name: string, value: number, tone: Tone, shown?: string }

/** Parts of a whole as a table, each with a bar as long as its share of the largest. `of`: what the parts are. */
export function sharesOf (of: string, shares: readonly Share[]): string {
  const most = Math.max(1, ...shares.map(({ value }) => value))
  return html`<table class="shares"><caption class="unseen">${of}</caption>
<thead class="unseen"><tr><th scope="col">${of}</th><th scope="col">Number</th><td></td></tr></thead>
<tbody>!${shares.map(({ name, value, tone, shown = count(value) }) => html`<tr><th scope="row">${name}</th>
<td>${shown}</td><td>!${bar(value / most, tone)}</td></tr>
`)}</tbody></table>`
}

/** A bar of a number that stands beside it. `share`: from 0 to 1. */
export function bar (share: number, tone: Tone): string {
  return html`<svg class="share ${tone}" aria-hidden="true" viewBox="0 0 100 8" preserveAspectRatio="none">
<rect class="whole" width="100" height="8"/><rect width="${(100 * Math.min(1, share)).toFixed(1)}" height="8"/></svg>`
}

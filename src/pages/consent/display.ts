/** Texts of strangers and instants as pages show them. Escaping is left to the templates. */
import { html } from 'ghtml'
import { inPlainText } from '../../base/plain-text.ts'

const longestName = 80

/**
 * A name that a client chose: one line, without characters that are invisible, turn the direction of the text around or
 * are private to a font, and short enough for everything around it to stay in sight. What is not a name is ''.
 */
export function shownName (name: string): string {
  const line = name.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, '').replace(/\p{Z}+/gu, ' ').trim()
  // Marks on marks would cover the lines above.
  const flat = line.replace(/(\p{M}{3})\p{M}+/gu, '$1')
  const characters = Array.from(flat.slice(0, 2 * longestName + 2))
  return characters.length <= longestName ? flat : `${characters.slice(0, longestName - 1).join('').trimEnd()}…`
}

const longestIdentifier = 300

/** An id or a URL of a stranger, with its invisible characters escaped, as far as it has room. */
export function shownIdentifier (text: string): string {
  const plain = inPlainText(text)
  return plain.length <= longestIdentifier ? plain : `${plain.slice(0, longestIdentifier)}…`
}

const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' })

/** The day of an instant, UTC: `24 Nov 2026`. */
export function dayInWords (instant: Date): string {
  return day.format(instant)
}

/** An instant of the past in words, as markup; the exact one stands in its attributes. */
export function moment (instant: Date, now: Date): string {
  const text = instant.toISOString()
  return html`<time datetime="${text}" title="${text}">${ago(instant, now)}</time>`
}

function ago (instant: Date, now: Date): string {
  const minutes = Math.floor((now.getTime() - instant.getTime()) / 60_000)
  if (minutes < 1) return 'just now'
  if (minutes < 60) return `${minutes} min ago`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours} h ago`
  const days = Math.floor(hours / 24)
  if (days < 7) return days === 1 ? '1 day ago' : `${days} days ago`
  return `on ${dayInWords(instant)}`
}

/** A length of time in words. */
export function duration (seconds: number): string {
  const [unit, size] = seconds < 3_600 ? ['minute', 60] as const : ['hour', 3_600] as const
  const count = Math.max(1, Math.round(seconds / size))
  return count === 1 ? `one ${unit}` : `${count} ${unit}s`
}

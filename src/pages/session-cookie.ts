/** The cookies of people: the one that holds a session, and the one of a browser that is about to begin one. */
import type { IncomingMessage } from 'node:http'
import { sessionCookieName } from '../domain/access/checks/check-person-session.ts'
import { challengeLifetime } from '../domain/people/passkey-challenge.ts'
import type { PersonSession } from '../domain/people/person-session.ts'
import { cookiesNamed } from '../guard/index.ts'

/**
 * `Lax`: a person who comes from an identity provider, or from a link in another site, brings the session along; a
 * change is decided by where it comes from all the same.
 */
function attributes (issuer: string): string {
  return `; Path=/; HttpOnly; SameSite=Lax${issuer.startsWith('https:') ? '; Secure' : ''}`
}

/** `Set-Cookie` for a session that began. */
export function sessionCookie (
  issuer: string, { session, text }: { session: Pick<PersonSession, 'expiresAt'>, text: string }, now: Date
): string {
  const seconds = Math.max(0, Math.floor((session.expiresAt.getTime() - now.getTime()) / 1000))
  return `${sessionCookieName(issuer)}=${text}; Max-Age=${seconds}${attributes(issuer)}`
}

/** `Set-Cookie` for a browser without a session. */
export function clearedCookie (issuer: string): string {
  return `${sessionCookieName(issuer)}=; Max-Age=0${attributes(issuer)}`
}

/** Tells the browser that asked for the challenge of a passkey from others. It signs nobody in. */
function browserCookieName (issuer: string): string {
  return issuer.startsWith('https:') ? '__Host-latchkey_browser' : 'latchkey_browser'
}

/** `Set-Cookie` for a browser that was given a challenge. */
export function browserCookie (issuer: string, text: string): string {
  return `${browserCookieName(issuer)}=${text}; Max-Age=${challengeLifetime}${attributes(issuer)}`
}

/** What tells a browser from others; null: nothing does, or more than one text. */
export function browserOf (issuer: string, { headers }: Pick<IncomingMessage, 'headers'>): string | null {
  const texts = cookiesNamed(browserCookieName(issuer), headers.cookie)
  return texts.length === 1 ? texts[0]! : null
}

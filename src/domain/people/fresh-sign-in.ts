/**
 * Which sessions change a person's ways to sign in: those of an own sign-in, a few minutes old. For an operator the
 * time of the sign-in has to be known: a provider that does not say it may have asked for no proof at all.
 */
import { Failure } from '../../base/errors.ts'
import { freshSignIn, isFreshSignIn, isOperator } from '../members/operator.ts'
import type { Member } from '../members/permissions.ts'
import type { PersonSession } from './person-session.ts'

/** A person who is signed in. */
export interface SignedInPerson { session: PersonSession, member: Member }

/** When a session has proved its person; null: its provider did not say. */
export function provedAt (
  { authenticatedAt, authTimeKnown }: Pick<PersonSession, 'authenticatedAt' | 'authTimeKnown'>
): Date | null {
  return authTimeKnown ? authenticatedAt : null
}

/**
 * What a key vouched for ends with the key: such a session leaves nothing behind that lasts longer.
 * @throws Failure `insufficient_permissions`.
 */
export function requireOwnSignIn ({ vouchedBy }: Pick<PersonSession, 'vouchedBy'>): void {
  if (vouchedBy === null) return
  throw new Failure('insufficient_permissions', {
    message: 'Another system has signed you in, so nothing is begun here that lasts longer than its key: no way to ' +
      'sign in, and no access for an application. Sign in yourself.'
  })
}

/** @throws Failure `reauthentication_required`. */
export function requireFreshSignIn ({ session, member }: SignedInPerson, now: Date, what: string): void {
  if (isOperator(member) && provedAt(session) === null) {
    throw new Failure('reauthentication_required', {
      message: `Your provider does not say when you signed in there (auth_time). ${what} by an operator only after a ` +
        'sign-in whose time is known: sign in with a passkey, or with a sign-in link.'
    })
  }
  requireFreshTime(session, now, what)
}

/** As `requireFreshSignIn`, where the guard has judged the operator. @throws Failure `reauthentication_required`. */
export function requireFreshTime (
  { authenticatedAt }: Pick<PersonSession, 'authenticatedAt'>, now: Date, what: string
): void {
  if (isFreshSignIn(authenticatedAt, now)) return
  throw new Failure('reauthentication_required', {
    message: `${what} within ${freshSignIn / 60} minutes after a sign-in: sign in again.`
  })
}

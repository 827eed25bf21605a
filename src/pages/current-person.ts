/** The person who sends a request to a page, by the session in its cookie. */
import type { FastifyRequest } from 'fastify'
import { addressOf } from '../base/ip-address.ts'
import { Failure } from '../base/errors.ts'
import type { Clock } from '../base/clock.ts'
import type { PersonAuthenticator } from '../domain/access/checks/check-person-session.ts'
import { judgeCredential } from '../domain/access/judge-credential.ts'
import type { Member } from '../domain/members/permissions.ts'
import type { PersonSession } from '../domain/people/person-session.ts'
import { isFromOwnPages, presentedSession } from '../guard/index.ts'

export interface CurrentPerson { session: PersonSession, member: Member }

interface Dependencies { people: PersonAuthenticator, clock: Clock }

/**
 * Null: nobody is signed in, or not any more.
 * @throws Failure `cross_site_request` for a change that did not come from a page of this server.
 */
export async function currentPerson (
  { people, clock }: Dependencies, request: FastifyRequest
): Promise<CurrentPerson | null> {
  const presented = presentedSession(request.raw, people)
  if (presented === null) return null
  if ('refusal' in presented) {
    if (presented.refusal.reason === 'cross_site_request') throw new Failure('cross_site_request')
    return null
  }
  const presentation = { resource: null, address: addressOf(request), now: clock() }
  const facts = await people.gather(presented.session, presentation)
  if (facts.kind !== 'person' || judgeCredential(facts, presentation) !== null) return null
  people.touch(facts.session, presentation.now)
  return { session: facts.session, member: facts.member! }
}

/**
 * The text in the cookie of a request that changes something, whatever it is good for; null: there is none.
 * @throws Failure `cross_site_request`, also without a cookie: nobody else signs a browser in.
 */
export function cookieOfOwnPage ({ people }: Pick<Dependencies, 'people'>, request: FastifyRequest): string | null {
  if (!isFromOwnPages(request.raw, people.origin)) throw new Failure('cross_site_request')
  const presented = presentedSession(request.raw, people)
  return presented !== null && 'session' in presented ? presented.session : null
}

/** @throws Failure `unauthorized`. */
export async function signedInPerson (dependencies: Dependencies, request: FastifyRequest): Promise<CurrentPerson> {
  const person = await currentPerson(dependencies, request)
  if (person !== null) return person
  throw new Failure('unauthorized', { message: 'You are not signed in; go to /api/v1/auth/login.' })
}

/** The person of a request that changes something. @throws Failure `cross_site_request`, `unauthorized`. */
export async function changingPerson (dependencies: Dependencies, request: FastifyRequest): Promise<CurrentPerson> {
  cookieOfOwnPage(dependencies, request)
  return await signedInPerson(dependencies, request)
}

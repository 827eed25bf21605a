/** What the authorization endpoint gets of the pages: the person of a request, the page that asks, that of errors. */
import type { Clock } from '../../base/clock.ts'
import type { PersonAuthenticator } from '../../domain/access/checks/check-person-session.ts'
import type { Store } from '../../domain/store.ts'
import type { PeopleOptions } from '../../protocol/authorization/code-flow-options.ts'
import { newInteractions, type Interactions } from '../../protocol/authorization/interactions.ts'
import { currentPerson } from '../current-person.ts'
import { errorDocument } from '../error-page.ts'
import { consentPath } from './consent-page.ts'
import { documentOf, pageHeaders } from '../page.ts'
import { holdingPage, wordsOfRefused } from './refused-request.ts'
import { allowRemembered } from './remembered.ts'

export function askingOptions (
  { secrets, ...options }: { secrets: readonly string[], people: PersonAuthenticator, store: Store, clock: Clock }
): PeopleOptions & { interactions: Interactions } {
  return {
    secrets,
    interactionPath: consentPath,
    interactions: newInteractions(),
    currentPerson: request => currentPerson(options, request),
    allowRemembered: (request, asked) => allowRemembered(options, request, asked),
    errorPage: ({ sent, ...problem }) => errorDocument({
      ...problem, message: sent === null ? problem.message : wordsOfRefused(sent)
    }),
    holdingPage: problem => ({
      headers: pageHeaders, body: documentOf(holdingPage({ ...problem, now: options.clock() }))
    }),
  }
}

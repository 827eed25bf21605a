/** The routes of connected applications: a member sees and ends what they allowed, with their session alone. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { secondsAfter } from '../../base/clock.ts'
import { mostConnections } from '../../domain/authorizations/allow.ts'
import type { Consent } from '../../domain/authorizations/consent.ts'
import { endAuthorization, endConsent, getConsent } from '../../domain/authorizations/end.ts'
import { dayOf } from '../../domain/core/calendar.ts'
import type { Position } from '../../domain/core/page.ts'
import { changingPerson, signedInPerson, type CurrentPerson } from '../current-person.ts'
import { sendPage } from '../page.ts'
import { operationOf, seeOther } from '../request.ts'
import type { SignInOptions } from '../sign-in-options.ts'
import { applicationsPage, applicationsPath, type Connected } from './applications-page.ts'
import * as descriptions from './descriptions.ts'

/** Days of which the page counts the calls, today included. */
const countedDays = 30

/** Consents on one page. */
const pageLength = 50

type Ending = FastifyRequest<{ Params: { id: string } }>

export function applicationRoutes (app: FastifyInstance, options: SignInOptions): void {
  const { store, registry, clock } = options
  app.get<{ Querystring: { after?: string } }>(
    applicationsPath, { schema: descriptions.applications }, async (request, reply) => {
      const person = await signedInPerson(options, request)
      const after = await positionOf(options, request, person, request.query.after)
      const { items, hasMore } = await store.consents.page({ limit: pageLength, after }, { memberId: person.member.id })
      const now = clock()
      return sendPage(reply, applicationsPage({
        connected: await Promise.all(items.map(each => connectedOf(options, each, now))),
        older: hasMore ? items.at(-1)!.id : null,
        organization: (await registry.organization(person.member.organizationId))!,
        now
      }))
    }
  )
  const ending = (path: string, schema: object, end: typeof endConsent | typeof endAuthorization): void => {
    app.post(`${applicationsPath}/${path}/end`, { schema }, async (request, reply) => {
      const person = await changingPerson(options, request)
      await end(operationOf(options, request, person), (request as Ending).params.id, person.member.id)
      return await seeOther(request, reply, applicationsPath)
    })
  }
  ending(':id', descriptions.consentEnd, endConsent)
  ending('connections/:id', descriptions.connectionEnd, endAuthorization)
}

/** @throws Failure `not_found`, also for a consent of another member. */
async function positionOf (
  options: SignInOptions, request: FastifyRequest, person: CurrentPerson, id: string | undefined
): Promise<Position | null> {
  if (id === undefined) return null
  return await getConsent(operationOf(options, request, person), id, person.member.id)
}

async function connectedOf ({ store }: SignInOptions, consent: Consent, now: Date): Promise<Connected> {
  const { memberId, clientId, resourceId } = consent
  // One whose code was never redeemed brought no token, and is removed soon.
  const working = { memberId, clientId, resourceId, over: { is: false, at: now }, redeemed: true }
  const [client, resource, { items: connections }] = await Promise.all([
    store.clients.get(clientId), store.resources.get(resourceId),
    store.authorizations.page({ limit: mostConnections, after: null }, working)
  ])
  const range = { from: dayOf(secondsAfter(now, -(countedDays - 1) * 86_400)), to: dayOf(now) }
  return {
    consent,
    client,
    resource,
    connections,
    calls: await store.usage.callsOf(connections.map(({ id }) => id), range)
  }
}

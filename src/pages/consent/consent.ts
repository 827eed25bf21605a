/** The routes of the consent page: asked once signed in, decided in the same session, and only for what was shown. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { epochSeconds } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { allow } from '../../domain/authorizations/allow.ts'
import { endAuthorization } from '../../domain/authorizations/end.ts'
import { isOnDevice } from '../../domain/client-metadata/description.ts'
import { mayRefresh } from '../../domain/client-metadata/grant-types.ts'
import { requestOver, type Interaction, type InteractionAnswer } from '../../protocol/authorization/interactions.ts'
import { unusableResource } from '../../protocol/authorization/resource-servers.ts'
import { providerClockTolerance } from '../../protocol/upstream/provider-client.ts'
import { readMarked, withMark } from '../../secrets/authentication-code.ts'
import { digestOf } from '../../secrets/digest.ts'
import { provedAt, requireOwnSignIn } from '../../domain/people/fresh-sign-in.ts'
import { currentPerson, type CurrentPerson } from '../current-person.ts'
import { sendPage } from '../page.ts'
import { field, operationOf } from '../request.ts'
import type { SignInOptions } from '../sign-in-options.ts'
import {
  consentPage, consentPath, foreignClientPage, notAdmittedPage, notFreshPage, nothingToAllowPage, otherOrganizationPage,
  unusableResourcePage, type Asked
} from './consent-page.ts'
import { signInAgainPath, signInPath } from '../passkey-page.ts'
import * as descriptions from './descriptions.ts'
import { otherMemberships } from './organizations.ts'
import { isAboutMember, questionOf, type Question } from './question.ts'

type Request = FastifyRequest<{ Params: { uid: string } }>

export function consentRoutes (app: FastifyInstance, options: SignInOptions): void {
  app.get<{ Params: { uid: string } }>(`${consentPath}/:uid`, { schema: descriptions.question }, (request, reply) =>
    ask(options, request, reply))
  app.post<{ Params: { uid: string } }>(`${consentPath}/:uid`, { schema: descriptions.decision }, (request, reply) =>
    decide(options, request, reply))
}

async function ask (options: SignInOptions, request: Request, reply: FastifyReply): Promise<FastifyReply> {
  const { interactions } = options
  const interaction = await requireInteraction(options, request, reply)
  const { uid, asks, authorizationId, sessionId } = interaction
  const person = await currentPerson(options, request)
  const returnTo = `${consentPath}/${uid}`
  if (person === null || isTooOld(person, interaction)) {
    // They have signed in for this question: another time would bring the same.
    if (person !== null && !isOlder(person, interaction)) {
      return sendPage(reply, notFreshPage(interaction, person.session, returnTo), 403)
    }
    const path = interaction.signedInSince === null ? signInPath : signInAgainPath
    return await reply.redirect(path(returnTo), 303)
  }
  // Also where they have signed in anew meanwhile, for another organization perhaps: that session decides.
  if (asks === 'login' || sessionId !== person.session.id) {
    return await reply.redirect(await interactions.answer(uid, { login: person }), 303)
  }
  if (authorizationId !== null) return await reply.redirect(await interactions.answer(uid, { authorizationId }), 303)
  // An application keeps its access without the session: a key's session may not begin it.
  requireOwnSignIn(person.session)
  const asked = await askedOf(options, request, interaction, person)
  if (asks === 'resource') return sendPage(reply, unusableResourcePage(asked, returnTo))
  const question = await questionOf(options.store, interaction, person.member)
  if (!isAboutMember(interaction, person.member)) {
    return sendPage(
      reply, asked.others.length > 0 ? otherOrganizationPage(asked) : foreignClientPage(asked, returnTo)
    )
  }
  if (question.denied !== null) return sendPage(reply, nothingToAllowPage(asked, question))
  if (question.admission !== 'admitted') return sendPage(reply, notAdmittedPage(asked, question.admission))
  if (question.isRemembered && !isOnDevice(interaction.client.metadata) && !interaction.asksAnyway) {
    return await allowed(options, request, reply, interaction, person, question, true)
  }
  const mark = withMark(shownText(interaction, person, question), options.secrets[0]!, purpose)
  return sendPage(reply, consentPage({ ...asked, question, mark }))
}

async function askedOf (
  options: SignInOptions, request: Request, interaction: Interaction, person: CurrentPerson
): Promise<Asked> {
  const { registry, clock } = options
  const { member } = person
  const memberships = await otherMemberships(options, request, person)
  return {
    interaction,
    member,
    organization: (await registry.organization(member.organizationId))!,
    others: memberships.flatMap(each => isAboutMember(interaction, each.member) ? [each.organization] : []),
    now: clock(),
  }
}

async function decide (options: SignInOptions, request: Request, reply: FastifyReply): Promise<FastifyReply> {
  const { interactions, secrets, store } = options
  const interaction = await requireInteraction(options, request, reply)
  const person = await currentPerson(options, request)
  const { uid, authorizationId } = interaction
  const decision = field(request, 'decision')
  if (decision === 'deny' && person !== null && isTooOld(person, interaction)) {
    const denied = 'The person could not sign in anew.'
    return await reply.redirect(await interactions.answer(uid, { denied, error: 'login_required' }), 303)
  }
  if (person === null || person.session.id !== interaction.sessionId) throw shownToAnother()
  if (decision === 'deny') {
    // The last click decides, as long as the client has no code.
    if (authorizationId !== null) {
      await endAuthorization(operationOf(options, request, person), authorizationId, person.member.id)
    }
    return await reply.redirect(await interactions.answer(uid, await denialOf(options, interaction, person)), 303)
  }
  if (decision !== 'allow') {
    throw new Failure('invalid_request', { message: 'decision is allow or deny.', details: { field: 'decision' } })
  }
  // Nothing else was put to them that could be allowed.
  if (interaction.asks !== 'consent') throw shownToAnother()
  // The first of two clicks has decided.
  if (authorizationId !== null) return await reply.redirect(await interactions.answer(uid, { authorizationId }), 303)
  const question = await questionOf(store, interaction, person.member)
  const shown = readMarked(field(request, 'shown'), secrets, purpose)
  if (shown === null || !shown.startsWith(`${person.session.id}:${uid}:`)) throw shownToAnother()
  // What they may hand on has changed since the page was shown: they decide about what it is now.
  const isAskable = question.denied === null && question.admission === 'admitted'
  if (!isAskable || shown !== shownText(interaction, person, question)) {
    return await reply.redirect(`${consentPath}/${uid}`, 303)
  }
  return await allowed(options, request, reply, interaction, person, question, false)
}

/** What the client is told of a person who does not allow it. */
async function denialOf (
  { store }: SignInOptions, interaction: Interaction, { member }: CurrentPerson
): Promise<InteractionAnswer> {
  if (interaction.asks === 'resource') return { denied: unusableResource, error: 'invalid_target' }
  const { denied } = await questionOf(store, interaction, member)
  return { denied: denied ?? 'The person has denied the request.' }
}

function shownToAnother (): Failure {
  return new Failure('cross_site_request', {
    message: 'This page was not shown in the session that you have now. Start again at the application.'
  })
}

/** Marks prove that this server has shown a person in this session what they decide about. */
const purpose = 'consent page v1'

/** The revisions stand for the names and the descriptions of scopes, as the page has them. */
function shownText (
  { uid, client, resource }: Interaction, { session }: CurrentPerson, question: Question
): string {
  const { scopes, identityScopes, clientForm } = question
  const shown = [
    client.id, client.revision, clientForm, mayRefresh(client.metadata), resource.id, resource.revision, scopes,
    identityScopes
  ]
  return `${session.id}:${uid}:${digestOf(JSON.stringify(shown))}`
}

async function allowed (
  options: SignInOptions, request: FastifyRequest, reply: FastifyReply, { uid, client, resource }: Interaction,
  person: CurrentPerson, { scopes, identityScopes }: Question, isRemembered: boolean
): Promise<FastifyReply> {
  requireOwnSignIn(person.session)
  const { id: authorizationId } = await allow(operationOf(options, request, person), {
    member: person.member, client, resourceId: resource.id, scopes, identityScopes, isRemembered
  })
  return await reply.redirect(await options.interactions.answer(uid, { authorizationId }), 303)
}

/** @throws Failure `not_found`. */
async function requireInteraction (
  { interactions }: SignInOptions, request: Request, reply: FastifyReply
): Promise<Interaction> {
  const found = await interactions.find(request, reply, request.params.uid)
  if (found !== null) return found
  throw requestOver()
}

/**
 * A client may ask for a person who has just signed in. A sign-in at an unknown time proves nothing of that; one for
 * this question is told by the clock of its provider.
 */
function isTooOld (person: CurrentPerson, interaction: Interaction): boolean {
  const { session } = person
  const { signedInSince } = interaction
  if (signedInSince === null) return false
  const proved = provedAt(session)
  const tolerance = session.provider === null || isOlder(person, interaction) ? 0 : providerClockTolerance
  return proved === null || epochSeconds(proved) < signedInSince - tolerance
}

/** Whether a session is from before the question: one of the same second was hardly begun for it. */
function isOlder ({ session }: CurrentPerson, { askedAt }: Interaction): boolean {
  return epochSeconds(session.createdAt) <= askedAt
}

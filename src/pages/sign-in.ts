/** The pages around signing in, as one plugin: sign-in, link, sign-out, the organization, and the first page. */
import formbody from '@fastify/formbody'
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify'
import { addressBlock, addressOf, countedAddress } from '../base/ip-address.ts'
import { Failure } from '../base/errors.ts'
import { windowLimiter } from '../domain/metering/window-limiter.ts'
import { isOperator } from '../domain/members/operator.ts'
import { requireFreshSignIn } from '../domain/people/fresh-sign-in.ts'
import { signInByLink } from '../domain/people/link-sign-in.ts'
import { relyingPartyOf } from '../domain/people/passkey.ts'
import { changeOrganization, signOut, signOutEverywhere } from '../domain/people/session-end.ts'
import { listAccounts } from '../domain/providers/account.ts'
import { defaultLimits } from '../protocol/shared/limits.ts'
import { digestOf } from '../secrets/digest.ts'
import { applicationRoutes } from './applications/applications.ts'
import { consentRoutes } from './consent/consent.ts'
import { consentPath, nameOf, whoAsks } from './consent/consent-page.ts'
import { otherMemberships } from './consent/organizations.ts'
import { serveAssets } from './assets.ts'
import { providerRoutes, sendToProvider, waysOfProviders } from './provider-sign-in.ts'
import { changingPerson, cookieOfOwnPage, currentPerson, type CurrentPerson } from './current-person.ts'
import * as descriptions from './descriptions.ts'
import { presentPageError, wantsPage } from './error-page.ts'
import { sendPage } from './page.ts'
import { passkeyRoutes, reasonAgainstChange } from './passkeys.ts'
import {
  askedSignIn, configuredProviders, field, operationOf, reasonOf, returnToOf, seeOther, type SignInQuery
} from './request.ts'
import { clearedCookie, sessionCookie } from './session-cookie.ts'
import type { SignInOptions, SignInPagesOptions } from './sign-in-options.ts'
import {
  authPath, homePage, leadingOnPage, linkPage, signedInPage, signedOutPage, signInPage, type SignInChoices
} from './sign-in-page.ts'

/** Forms of pages are small. */
const bodyLimit = 4_096

/** Every route of these pages; none of them answers another origin. */
export function signInPages (given: SignInPagesOptions): FastifyPluginAsync {
  const shared = given.counts.of('link failures')
  const linkFailures = windowLimiter(defaultLimits.failuresPerAddress, given.clock, shared)
  const options: SignInOptions = { ...given, linkFailures }
  return async app => {
    app.removeContentTypeParser('text/plain')
    await app.register(formbody, { bodyLimit })
    app.setErrorHandler(presentPageError)
    app.addHook('onRequest', async (_request, reply) => { reply.headers({ 'cache-control': 'no-store' }) })
    serveAssets(app)
    app.get('/', { schema: descriptions.home }, async (_request, reply) => sendPage(reply, homePage(options.issuer)))
    signInRoutes(app, options)
    linkRoutes(app, options)
    signOutRoutes(app, options)
    organizationRoute(app, options)
    providerRoutes(app, options)
    passkeyRoutes(app, options)
    consentRoutes(app, options)
    applicationRoutes(app, options)
  }
}

function signInRoutes (app: FastifyInstance, options: SignInOptions): void {
  app.get<{ Querystring: SignInQuery }>(
    `${authPath}/login`, { schema: descriptions.login }, async (request, reply) => {
      const asked = askedSignIn(request.query)
      if (asked.provider !== null) return await sendToProvider(options, request, reply, asked.provider, asked)
      const person = asked.anew ? null : await currentPerson(options, request)
      const { returnTo, anew } = asked
      if (person !== null && returnTo !== null) return await reply.redirect(returnTo, 303)
      if (person !== null) return sendPage(reply, signedInPage(await shownPerson(options, request, person)))
      const passkeys = relyingPartyOf(options.issuer) !== null
      const asker = await askerOf(options, request, returnTo)
      return sendPage(reply, signInPage({ ways: waysOfProviders(options), asker, passkeys, returnTo, anew }))
    }
  )
  app.get(`${authPath}/signed-out`, { schema: descriptions.signedOut }, async (_request, reply) =>
    sendPage(reply, signedOutPage))
}

/** The client whose question the sign-in leads back to; null: it leads elsewhere, or the question is over. */
async function askerOf (
  { interactions, clock }: SignInOptions, request: FastifyRequest, returnTo: string | null
): Promise<SignInChoices['asker']> {
  const uid = returnTo?.startsWith(`${consentPath}/`) ? returnTo.slice(consentPath.length + 1) : null
  const client = uid === null ? null : await interactions.clientOf(request, uid)
  return client === null ? null : { name: nameOf(client), unverified: whoAsks(client, clock()) }
}

async function shownPerson (options: SignInOptions, request: FastifyRequest, person: CurrentPerson) {
  const { store } = options
  const { member } = person
  return {
    member,
    organization: (await store.organizations.get(member.organizationId))!,
    others: (await otherMemberships(options, request, person)).map(({ organization }) => organization),
    accounts: await shownAccounts(options, request, person),
    addable: await addableProviders(options, person),
    hasPasskeys: (await store.passkeys.ofMember(member.id)).length > 0,
    mayAddPasskeys: reasonAgainstChange(options, person) === null,
    reasonAgainstOperating: reasonAgainstOperating(person, options.clock()),
  }
}

function reasonAgainstOperating (person: CurrentPerson, now: Date): string | null {
  if (!isOperator(person.member)) return null
  return reasonOf(() => { requireFreshSignIn(person, now, 'The deployment is changed') })
}

async function shownAccounts (options: SignInOptions, request: FastifyRequest, person: CurrentPerson) {
  const accounts = await listAccounts(operationOf(options, request, person), person.member.id)
  const configured = configuredProviders(options)
  return accounts.map(({ identity: { id, provider: issuer }, linkedAt }) => ({
    id, linkedAt, name: configured.find(each => each.issuer === issuer)?.name ?? issuer
  }))
}

/** The providers that the organization trusts; none for a session that a key or token vouches for. */
async function addableProviders ({ store, clients }: SignInOptions, { session, member }: CurrentPerson) {
  if (session.vouchedBy !== null) return []
  const query = { limit: clients.size + 1, after: null }
  const { items } = await store.trustedProviders.page(query, { organizationId: member.organizationId })
  return items.flatMap(({ provider: id }) => clients.get(id)?.provider ?? [])
}

function linkRoutes (app: FastifyInstance, options: SignInOptions): void {
  const { issuer, linkFailures, clock } = options
  app.get<{ Querystring: SignInQuery }>(
    `${authPath}/link`, { schema: descriptions.linkForm }, async (request, reply) =>
      sendPage(reply, linkPage(null, askedSignIn(request.query).returnTo))
  )
  app.post(`${authPath}/link`, { schema: descriptions.link }, async (request, reply) => {
    const cookie = cookieOfOwnPage(options, request)
    const [address, block] = [addressOf(request), addressBlock(countedAddress(request))]
    if (linkFailures.exhausted(block) !== null) throw new Failure('too_many_requests')
    const returnTo = returnToOf(request)
    try {
      const now = clock()
      const from = { address, requestId: request.id }
      const begun = await signInByLink(options, field(request, 'token'), from, cookie && digestOf(cookie), now)
      reply.header('set-cookie', sessionCookie(issuer, begun, now))
      if (returnTo !== null && wantsPage(request)) return sendPage(reply, leadingOnPage(returnTo))
      return await seeOther(request, reply, `${authPath}/login`)
    } catch (error) {
      if (!(error instanceof Failure && error.code === 'invalid_sign_in_link')) throw error
      linkFailures.count(block)
      if (!wantsPage(request)) throw error
      return sendPage(reply, linkPage(error.message, returnTo), error.status)
    }
  })
}

function signOutRoutes (app: FastifyInstance, options: SignInOptions): void {
  const end = (path: string, schema: object, work: typeof signOut | typeof signOutEverywhere): void => {
    app.post(`${authPath}/${path}`, { schema }, async (request, reply) => {
      cookieOfOwnPage(options, request)
      const person = await currentPerson(options, request)
      if (person !== null) await work(operationOf(options, request, person), person.session)
      reply.headers({ 'set-cookie': clearedCookie(options.issuer), 'clear-site-data': '"cache", "storage"' })
      return await seeOther(request, reply, `${authPath}/signed-out`)
    })
  }
  end('logout', descriptions.logout, signOut)
  end('logout-everywhere', descriptions.logoutEverywhere, signOutEverywhere)
}

function organizationRoute (app: FastifyInstance, options: SignInOptions): void {
  const { issuer, lifetimes, clock } = options
  app.post(`${authPath}/organization`, { schema: descriptions.organization }, async (request, reply) => {
    const person = await changingPerson(options, request)
    const [organization, returnTo] = [field(request, 'organization'), returnToOf(request)]
    const begun = await changeOrganization(
      operationOf(options, request, person), person.session, organization, lifetimes
    )
    reply.header('set-cookie', sessionCookie(issuer, begun, clock()))
    return await seeOther(request, reply, returnTo ?? `${authPath}/login`)
  })
}

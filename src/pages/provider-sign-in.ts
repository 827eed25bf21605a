/** Sign-in with identity providers: the way there, the way back, and the account that a signed-in person adds. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { addressBlock, addressOf, countedAddress } from '../base/ip-address.ts'
import { Failure } from '../base/errors.ts'
import { unlinkAccount } from '../domain/providers/account.ts'
import { linkByProvider, requireMayLink } from '../domain/providers/identity-linking.ts'
import { signInByProvider } from '../domain/providers/provider-sign-in.ts'
import { presentedSession } from '../guard/index.ts'
import { paths } from '../protocol/shared/paths.ts'
import { beginSignIn, requireProvider, type UpstreamSignIn } from '../protocol/upstream/begin-sign-in.ts'
import type { LoginTransaction } from '../protocol/upstream/login-transaction.ts'
import type { ProviderClient } from '../protocol/upstream/provider-client.ts'
import { isTooOld, verifiedSignIn } from '../protocol/upstream/verified-sign-in.ts'
import { digestOf } from '../secrets/digest.ts'
import { changingPerson, currentPerson } from './current-person.ts'
import * as descriptions from './provider-descriptions.ts'
import { wantsPage } from './error-page.ts'
import { sendPage } from './page.ts'
import { configuredProviders, operationOf, seeOther, single, type AskedSignIn } from './request.ts'
import { sessionCookie } from './session-cookie.ts'
import type { SignInOptions } from './sign-in-options.ts'
import { authPath, continuePage, type WayIn } from './sign-in-page.ts'

/** The providers on the sign-in page. They are links: a form may lead to this host alone. */
export function waysOfProviders (options: Pick<UpstreamSignIn, 'clients'>): WayIn[] {
  return configuredProviders(options).map(({ id, name }) => ({
    label: name,
    href: ({ returnTo, anew }) => `${authPath}/login?${new URLSearchParams({
      provider: id, ...(returnTo !== null && { return_to: returnTo }), ...(anew && { prompt: 'login' })
    })}`,
  }))
}

/** Sends the browser there. @throws Failure `not_found`, `identity_provider_unavailable`. */
export async function sendToProvider (
  options: SignInOptions, { headers }: FastifyRequest, reply: FastifyReply, provider: string,
  { returnTo, organizationId, maxAge }: AskedSignIn
): Promise<FastifyReply> {
  const purpose = { returnTo: returnTo ?? '/', organizationId, maxAge, linksFor: null }
  const { url, cookies } = await beginSignIn(options, requireProvider(options, provider), purpose, headers.cookie)
  return await reply.header('set-cookie', cookies).redirect(url.href, 303)
}

/** The callback, and the start of adding an account. */
export function providerRoutes (app: FastifyInstance, options: SignInOptions): void {
  app.get(paths.providerCallback, { schema: descriptions.callback }, async (request, reply) => {
    const transaction = await finished(options, request, reply)
    const person = await vouchedPerson(options, request, transaction)
    if (isTooOld(person, transaction)) {
      if (transaction.prompted) throw notAskedAnew(requireProvider(options, transaction.provider))
      return await askAnew(options, request, reply, transaction)
    }
    return transaction.linksFor === null
      ? await signIn(options, request, reply, person, transaction)
      : await addAccount(options, request, reply, person, transaction.linksFor)
  })
  accountRoutes(app, options)
}

/** The account that a signed-in person adds, or removes. */
function accountRoutes (app: FastifyInstance, options: SignInOptions): void {
  app.post<{ Params: { id: string } }>(
    `${authPath}/identities/:id/remove`, { schema: descriptions.removeIdentity }, async (request, reply) => {
      const person = await changingPerson(options, request)
      const operation = operationOf(options, request, person)
      await unlinkAccount(operation, person, request.params.id, configuredProviders(options))
      return await seeOther(request, reply, `${authPath}/login`)
    }
  )
  app.post(`${authPath}/identities`, { schema: descriptions.addIdentity }, async (request, reply) => {
    const current = await changingPerson(options, request)
    requireMayLink(current, options.clock())
    const body = request.body as { provider?: unknown } | null
    const upstream = requireProvider(options, typeof body?.provider === 'string' ? body.provider : '')
    const { url, cookies } = await beginSignIn(options, upstream, {
      returnTo: `${authPath}/login`, organizationId: null, maxAge: null, linksFor: current.session.id
    }, request.headers.cookie)
    reply.header('set-cookie', cookies)
    // Not a redirect: a form may lead to this host alone, also by way of redirects.
    return wantsPage(request)
      ? sendPage(reply, continuePage(upstream.provider.name, url.href))
      : await reply.send({ url: url.href })
  })
}

/** The provider has ignored `max_age`; some ask the person anew for `prompt=login` alone. */
async function askAnew (
  options: SignInOptions, { headers }: FastifyRequest, reply: FastifyReply, transaction: LoginTransaction
): Promise<FastifyReply> {
  const { provider, returnTo, organizationId, maxAge, linksFor } = transaction
  const { url, cookies } = await beginSignIn(options, requireProvider(options, provider), {
    returnTo, organizationId, maxAge, linksFor, prompted: true
  }, headers.cookie)
  return await reply.header('set-cookie', cookies).redirect(url.href, 303)
}

function notAskedAnew ({ provider: { id, name } }: ProviderClient): Failure {
  return new Failure('sign_in_refused', {
    message: `${name} did not ask you to sign in again. Sign out there first, or use a passkey or a sign-in link.`,
    details: { provider: id }
  })
}

/** What the provider vouches for. @throws Failure as `verifiedSignIn`, and `too_many_requests`. */
async function vouchedPerson (
  { clients, issuer, callbackFailures }: SignInOptions, request: FastifyRequest, transaction: LoginTransaction
): Promise<Person> {
  const upstream = clients.get(transaction.provider)
  if (upstream === undefined) throw notUnderWay()
  const block = addressBlock(countedAddress(request))
  if (callbackFailures.exhausted(block) !== null) throw new Failure('too_many_requests')
  // The configured URL, whatever the Host header is.
  const callback = new URL(issuer + paths.providerCallback)
  callback.search = new URL(request.url, issuer).search
  try {
    return await verifiedSignIn(upstream, callback, transaction)
  } catch (error) {
    callbackFailures.count(block)
    throw error
  }
}

/** The transaction of a callback, which it uses up. @throws Failure `invalid_request`. */
async function finished (
  { store, clock, transactions }: SignInOptions, request: FastifyRequest, reply: FastifyReply
): Promise<LoginTransaction> {
  const state = single((request.query as { state?: string | string[] }).state, 'state')
  const transaction = state === undefined ? null : transactions.read(state, request.headers.cookie, clock())
  if (transaction === null) throw notUnderWay()
  reply.header('set-cookie', transactions.end(transaction.state))
  // A copy of the cookie works no second time, on no server.
  const use = digestOf(`login transaction\n${transaction.state}`)
  if (!await store.usedAssertions.remember(use, new Date(transaction.endsAt * 1000))) throw notUnderWay()
  return transaction
}

type Person = Awaited<ReturnType<typeof verifiedSignIn>>

async function signIn (
  options: SignInOptions, request: FastifyRequest, reply: FastifyReply, person: Person,
  { returnTo, organizationId, maxAge }: LoginTransaction
): Promise<FastifyReply> {
  const now = options.clock()
  const presented = presentedSession(request.raw, options.people)
  const replaces = presented !== null && 'session' in presented ? digestOf(presented.session) : null
  const arrival = { from: cameFrom(request), replaces, organizationId, anew: maxAge !== null }
  const begun = await signInByProvider(options, person, arrival, now)
  reply.header('set-cookie', sessionCookie(options.issuer, begun, now))
  return await reply.redirect(returnTo, 303)
}

/** Only for the session that began it: another person may use the browser now. */
async function addAccount (
  options: SignInOptions, request: FastifyRequest, reply: FastifyReply, person: Person, session: string
): Promise<FastifyReply> {
  const current = await currentPerson(options, request)
  if (current?.session.id !== session) {
    throw new Failure('unauthorized', {
      message: 'The session that wanted to add this account has ended; sign in and start again.'
    })
  }
  await linkByProvider(options.store, person, { ...current, from: cameFrom(request) }, options.clock())
  return await reply.redirect(`${authPath}/login`, 303)
}

function cameFrom (request: FastifyRequest) {
  return { address: addressOf(request), requestId: request.id }
}

function notUnderWay (): Failure {
  return new Failure('invalid_request', {
    message: 'This sign-in is not under way in this browser: it was finished, has expired, or began in another one. ' +
      'Start again.'
  })
}

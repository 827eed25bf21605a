/** oidc-provider's sessions: views of the sessions of people, which alone are stored and alone have a cookie. */
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider'
import { epochSeconds } from '../../base/clock.ts'
import { provedAt } from '../../domain/people/fresh-sign-in.ts'
import { contextOf } from '../provider/request-context.ts'
import type { CodeFlowOptions } from './code-flow-options.ts'

/**
 * Replaces the look-up of sessions. `destroyed` keeps the provider from storing the view and from setting a cookie for
 * it. A session's `uid` and `jti` are its public id: the provider keeps both with a question to the person.
 */
export function useSessions (provider: Provider, { people }: CodeFlowOptions): void {
  provider.Session.get = async (ctx: KoaContextWithOIDC) => {
    // A form of another site brings no cookie along that it could be believed with: the person is found by the page.
    const person = ctx.method === 'GET' ? await people.currentPerson(contextOf(ctx).request) : null
    const session = person === null
      ? Reflect.construct(provider.Session, []) as InstanceType<typeof provider.Session>
      : viewOf(provider, person)
    if (ctx.oidc.route === 'resume') await requireSignedIn(provider, ctx, session)
    Object.defineProperty(session, 'destroyed', { value: true })
    ctx.oidc.entity('Session', session)
    return session
  }
}

/**
 * The provider would answer with a form that signs out, of which there is no route here.
 * @throws errors.SessionNotFound when the session is not of the person that answered.
 */
async function requireSignedIn (
  provider: Provider, ctx: KoaContextWithOIDC, { accountId }: InstanceType<Provider['Session']>
): Promise<void> {
  const uid = ctx.cookies.get(provider.cookieName('resume'), { signed: true })
  const answered = uid === undefined ? undefined : await provider.Interaction.find(uid)
  const signedIn = answered?.result?.login?.accountId
  if (signedIn === undefined || accountId === undefined || accountId === signedIn) return
  throw new errors.SessionNotFound('another person has signed in')
}

function viewOf (
  provider: Provider, { session, member }: NonNullable<Awaited<ReturnType<CodeFlowOptions['people']['currentPerson']>>>
): InstanceType<typeof provider.Session> {
  const view = Reflect.construct(provider.Session, [{
    jti: session.id,
    uid: session.id,
    accountId: member.id,
    amr: [...session.amr],
  }]) as InstanceType<typeof provider.Session>
  const proved = provedAt(session)
  // oidc-provider takes the present for an unknown time of the sign-in.
  Object.defineProperty(view, 'loginTs', { get: () => proved === null ? undefined : epochSeconds(proved), set () {} })
  return view
}

/** When a person is asked: what oidc-provider goes through before it answers an authorization request. */
import { decodeJwt } from 'jose'
import { errors, interactionPolicy, type Configuration, type KoaContextWithOIDC, type Provider } from 'oidc-provider'
import { isOnDevice } from '../../domain/client-metadata/description.ts'
import { recordOf } from '../provider/client-authentication.ts'
import { contextOf } from '../provider/request-context.ts'
import type { CodeFlowOptions } from './code-flow-options.ts'
import { requireIdTokenKey } from './id-token.ts'
import { partScopes } from './identity.ts'
import { asksForUnusable, unusableResource } from './resource-servers.ts'

type Policy = NonNullable<NonNullable<Configuration['interactions']>['policy']>

/**
 * A request passes the page that asks, whatever was allowed before: the page decides whether there is something to ask,
 * and so each request gets an authorization of its own. With `prompt=none` there is no page: what was allowed before
 * begins one, or the answer is an error.
 */
export function requestPolicy (options: CodeFlowOptions): Policy {
  const { base, Check, Prompt } = interactionPolicy
  const prompts = base()
  const login = prompts.get('login')!.checks
  login.remove('id_token_hint')
  login.add(new Check('id_token_hint', 'another person is meant', 'login_required', ctx => {
    requireHintedPerson(ctx)
    return Check.NO_NEED_TO_PROMPT
  }))
  // Behind the sign-in, which may bring somebody who can use it, and before anything is looked up of it.
  prompts.add(new Prompt({ name: 'resource' }, new Check(
    'resource_unusable', unusableResource, 'invalid_target',
    ctx => asksForUnusable(ctx) ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT
  )), 1)
  // Behind the sign-in, so that nothing begins for another person, and before the checks of what was allowed.
  prompts.add(new Prompt({ name: 'preparation' }, new Check('preparation', 'never asks', async ctx => {
    await requireIdTokenKey(options, ctx)
    if (ctx.oidc.prompts.has('none')) await takeRemembered(options, ctx)
    return Check.NO_NEED_TO_PROMPT
  })), 2)
  const consent = prompts.get('consent')!.checks
  // The provider goes by what a client calls itself.
  consent.remove('native_client_prompt')
  consent.add(new Check(
    'client_on_device', 'any program there can pose as the client', 'interaction_required',
    ({ oidc }) => oidc.result?.consent === undefined && isOnDevice(recordOf(oidc.client!).metadata)
      ? Check.REQUEST_PROMPT
      : Check.NO_NEED_TO_PROMPT
  ), 0)
  consent.add(new Check(
    'authorization_undecided', 'the person has not decided about this request', 'consent_required',
    ctx => ctx.oidc.result?.consent === undefined && ctx.oidc.entities.Grant?.jti === undefined
      ? Check.REQUEST_PROMPT
      : Check.NO_NEED_TO_PROMPT
  ))
  return prompts
}

/**
 * OpenID Connect Core §3.1.2.2: the person of `id_token_hint`, or an error. The hint was verified when the request
 * began; on the way back from the sign-in it is only read.
 * @throws errors.LoginRequired
 */
function requireHintedPerson ({ oidc: { params, session } }: KoaContextWithOIDC): void {
  const { id_token_hint: hint } = params as { id_token_hint?: string }
  if (hint === undefined || session?.accountId === undefined || decodeJwt(hint).sub === session.accountId) return
  throw new errors.LoginRequired('id_token_hint and authenticated subject do not match')
}

async function takeRemembered ({ people, registry }: CodeFlowOptions, ctx: KoaContextWithOIDC): Promise<void> {
  const { resource: identifier, scope } = ctx.oidc.params as { resource?: string, scope?: string }
  const resource = identifier === undefined ? null : await registry.resourceByIdentifier(identifier)
  if (resource === null) return
  const client = recordOf(ctx.oidc.client!)
  const { ofIdentity: identityScopes, ofResource: scopes } = partScopes(scope)
  const asked = { client, resource, scopes, identityScopes }
  const id = await people.allowRemembered(contextOf(ctx).request, asked)
  const grant = id === null ? undefined : await grantOf(ctx, id)
  if (grant === undefined) return
  ctx.oidc.entity('Grant', grant)
  const session = ctx.oidc.session as unknown as { grantIdFor (clientId: string, grantId: string): void }
  session.grantIdFor(client.id, grant.jti)
}

/** An authorization that has begun; what was asked for and not given in it counts as denied. */
export async function grantOf (
  ctx: KoaContextWithOIDC, id: string | undefined
): Promise<InstanceType<Provider['Grant']> | undefined> {
  const grant = id === undefined ? undefined : await ctx.oidc.provider.Grant.find(id)
  if (grant === undefined) return undefined
  const asked = [...ctx.oidc.requestParamScopes]
  for (const name of Object.keys(ctx.oidc.resourceServers ?? {})) {
    const given = grant.getResourceScope(name).split(' ')
    const denied = asked.filter(scope => !given.includes(scope))
    if (denied.length > 0) grant.rejectResourceScope(name, denied.join(' '))
  }
  const given = grant.getOIDCScope().split(' ')
  const denied = [...ctx.oidc.requestParamOIDCScopes].filter(scope => !given.includes(scope))
  if (denied.length > 0) grant.rejectOIDCScope(denied.join(' '))
  return grant
}

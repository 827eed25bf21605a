/** ID tokens (OpenID Connect Core §2): what oidc-provider leaves out of them, and the key that signs them. */
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider'
import { idTokenAlgorithmOf } from '../../domain/credentials/client.ts'
import { recordOf } from '../provider/client-authentication.ts'
import type { CodeFlowOptions } from './code-flow-options.ts'
import { identityResource } from './identity.ts'

/** Seconds for which an ID token proves a sign-in. */
export const idTokenLifetime = 3_600

interface IdToken { ctx: { oidc: { entities: { AccessToken?: object } } }, scope: string }

/**
 * Adds `at_hash`. Beside a token for userinfo the claims of `profile` and `email` are told there alone (§5.4); beside
 * that of an API, which userinfo refuses, they stand in the ID token.
 */
export function useIdTokens (provider: Provider, { issuer }: Pick<CodeFlowOptions, 'issuer'>): void {
  const texts = new WeakMap<object, string>()
  const { save } = provider.AccessToken.prototype
  provider.AccessToken.prototype.save = async function (...given: Parameters<typeof save>) {
    const text = await save.apply(this, given)
    texts.set(this, text)
    return text
  }
  const userinfo = identityResource(issuer).identifier
  const { prototype } = provider.IdToken
  const { issue } = prototype
  prototype.issue = async function (...given: Parameters<typeof issue>) {
    const token = this as unknown as IdToken & { set (claim: string, value: unknown): void }
    const { AccessToken: beside } = token.ctx.oidc.entities
    if (beside !== undefined) {
      token.set('at_hash', texts.get(beside))
      if ((beside as { aud?: unknown }).aud === userinfo) token.scope = 'openid'
    }
    return await issue.apply(this, given)
  }
}

/**
 * Sees to it, before a person decides, that a key signs by the algorithm of the client's ID tokens.
 * @throws errors.TemporarilyUnavailable while the key is being published.
 */
export async function requireIdTokenKey (
  { signerFor }: Pick<CodeFlowOptions, 'signerFor'>, { oidc }: KoaContextWithOIDC
): Promise<void> {
  if (!oidc.requestParamScopes.has('openid')) return
  const algorithm = idTokenAlgorithmOf(recordOf(oidc.client!))
  if (signerFor === undefined || await signerFor(algorithm)) return
  throw new errors.TemporarilyUnavailable(`the first key of ${algorithm} is being published; try again in minutes`)
}

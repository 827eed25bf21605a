/** Tokens that API keys were exchanged for (RFC 8693): the facts from which the verdict on one follows. */
import type { Awaitable } from '../../../base/awaitable.ts'
import { splitScope, withoutKeyOnly } from '../../resources/scope.ts'
import type { Signed } from '../../tokens/access-token.ts'
import { isKeyRevoked } from '../../tokens/signing-key.ts'
import type { KeyTokenClaims } from '../../tokens/token-claims.ts'
import { factsMemory, type KeyFacts, type KeyTokenFacts } from '../facts.ts'
import { judgeCredential, reasonAgainstClaims } from '../judge-credential.ts'
import type { Presentation, Principal } from '../principal.ts'
import type { Registry } from '../registry.ts'
import { isLasting, keyFactsIn } from './check-api-key.ts'

type Claims = KeyTokenClaims & Signed

const remembered = factsMemory<Claims, KeyTokenFacts>()

/** The facts of a token that was read. */
export function keyTokenFactsIn (
  registry: Registry, claims: Claims, presentation: Presentation
): Awaitable<KeyTokenFacts> {
  return remembered.current(claims, registry.state) ?? gatherFacts(registry, claims, presentation)
}

/** Looks up all that the verdict follows from; what is refused already costs no more look-ups. */
async function gatherFacts (registry: Registry, claims: Claims, presentation: Presentation): Promise<KeyTokenFacts> {
  const { state } = registry
  const unknown: KeyTokenFacts = {
    kind: 'key_token',
    claims,
    keyFacts: null,
    isRevoked: false,
    resource: null,
    organization: null,
    principal: null,
    policies: []
  }
  if (reasonAgainstClaims(claims, presentation) !== null) return unknown
  const [key, isTokenRevoked, signingKeys] = await Promise.all([
    registry.apiKeyById(claims.sub), registry.isTokenRevoked(claims.jti), registry.signingKeys()
  ])
  const isRevoked = isTokenRevoked || isKeyRevoked(signingKeys, claims)
  if (isRevoked || key === null) return { ...unknown, isRevoked }
  const keyFacts = await keyFactsIn(registry, key, presentation)
  const { resource, organization, policies } = keyFacts
  const found: KeyTokenFacts = { ...unknown, keyFacts, resource, organization, policies }
  if (judgeCredential(found, presentation) !== null) return found
  const facts = { ...found, principal: inTheNameOf(keyFacts, claims) }
  return remembered.keep(claims, isLasting(keyFacts) ? state : null, facts)
}

/** The key's principal, with the scopes of the token as far as the key still has them, and no longer than the token. */
function inTheNameOf ({ principal, key, resource }: KeyFacts, claims: Claims): Principal {
  const granted = claims.scope === undefined ? [] : splitScope(claims.scope)
  const end = new Date(claims.exp * 1000)
  return {
    ...principal!,
    kind: 'access_token',
    idKind: 'api_key',
    isExchanged: true,
    access: null,
    scopes: withoutKeyOnly(principal!.scopes, resource!.scopes).filter(scope => granted.includes(scope)),
    expiresAt: key.expiresAt !== null && key.expiresAt < end ? key.expiresAt : end,
  }
}

/** Access tokens (RFC 9068): the readers that verify them, and their revocation. */
import { compactVerify, type CompactVerifyGetKey, type CryptoKey } from 'jose'
import { lru } from '../../base/lru.ts'
import type { Awaitable } from '../../base/awaitable.ts'
import { epochSeconds } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { isBase64url } from '../../base/plain-text.ts'
import { auditEvent } from '../audit/event.ts'
import { signingAlgorithms, type KeyRing, type SigningKeys } from './signing-key.ts'
import { readClaims, type AccessTokenClaims } from './token-claims.ts'
import type { Operation } from '../core/operation.ts'
import type { AuditPort } from '../audit/log.ts'

export interface RevokedTokenRepository {
  /** Stores a token's `jti` until the token would have expired; idempotent. */
  insert (token: { jti: string, clientId: string, revokedAt: Date, expiresAt: Date }): Promise<void>
  has (jti: string): Promise<boolean>
  /**
   * Deletes at most `limit` that expired before; returns how many. A smaller number tells servers to forget them too.
   */
  prune (before: Date, limit: number): Promise<number>
}

export interface RevokedTokenPort { revokedTokens: RevokedTokenRepository }

/**
 * Tolerated clock difference between machines, in seconds, before a token counts as issued in the future (RFC 7519
 * §4.1.4).
 */
export const clockTolerance = 15

/** The key that signed a token. From the header, not from the claims. */
export interface Signed { kid: string }

/** Reads the claims of a JWT that one of the deployment's keys signed. Caches verified signatures, never a verdict. */
export interface JwtReader<Claims> {
  /**
   * Null: not a token of this issuer and type, altered, or malformed. Says nothing of expiry or revocation, of the
   * token or its key: both change. Uses the keys at `now`; absent: by the clock.
   */
  read (token: string, now?: Date): Awaitable<Claims & Signed | null>
}

/**
 * A token with a verified signature, cached by the end of that signature: it is known only to a holder of the token, so
 * comparing the rest as text is safe. Hashing the whole token, for a digest or a map, takes several times as long.
 */
interface Verified<Claims> { token: string, claims: Claims & Signed }

/** The cache key: 192 bits of the signature. */
function endOf (token: string): string {
  return token.slice(-32)
}

/** Reads access tokens. */
export type TokenReader = JwtReader<AccessTokenClaims>

/** The keys that a reader trusts: those of `ring` at each call. It awaits `catchUp` before a kid counts as unknown. */
export type TrustedKeys = Pick<SigningKeys, 'ring'> & Partial<Pick<SigningKeys, 'catchUp'>>

/**
 * Characters of cached tokens: 50,000 usual ones, or 2,000 of the longest that a header holds. Memory is about twice
 * that.
 */
const remembered = 30_000_000

export function tokenReader (issuer: string, keys: TrustedKeys): TokenReader {
  return jwtReader('at+jwt', keys, payload => readClaims(issuer, payload))
}

/**
 * A reader of tokens of the type `typ`; it rejects every other type (RFC 8725 §3.11). `readClaims` returns null for
 * claims of another shape; `remember` limits the cache, in characters of tokens.
 */
export function jwtReader<Claims extends object> (
  typ: string,
  { ring, catchUp }: TrustedKeys,
  readClaims: (payload: Record<string, unknown>) => Claims | null,
  remember = remembered
): JwtReader<Claims> {
  const verified = lru<Verified<Claims>>(remember, { sizeCalculation: ({ token }) => token.length })
  const keep = (given: string, claims: Claims & Signed): void => {
    // A copy: a slice of a request would retain all of it, a client's secret included.
    const token = Buffer.from(given).toString('latin1')
    verified.set(endOf(token), { token, claims })
  }
  const keyFor: CompactVerifyGetKey = async ({ alg, kid, typ: type }) => {
    if (type !== typ || !isThumbprint(kid)) throw new Error('no such key')
    if (!ring().verifying.has(kid)) await catchUp?.()
    return keyNamed(ring(), kid, alg)
  }
  const verify = async (token: string): Promise<Claims & Signed | null> => {
    // Base64url has several spellings of the same bytes; only the canonical one is accepted (RFC 7515 §2).
    if (!token.split('.').every(isBase64url)) return null
    try {
      const { payload, protectedHeader } = await compactVerify(token, keyFor, { algorithms: [...signingAlgorithms] })
      if (bringsItsOwnKey(protectedHeader)) return null
      const claims = readClaims(
        JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)) as Record<string, unknown>
      )
      if (claims === null) return null
      const signed = { ...claims, kid: protectedHeader.kid! }
      keep(token, signed)
      return signed
    } catch (error) {
      // A Failure means that the key could not be looked up, so the token is neither valid nor invalid.
      if (error instanceof Failure) throw error
      return null
    }
  }
  return {
    read (token, now) {
      const known = verified.get(endOf(token))
      if (known === undefined || known.token !== token) return verify(token)
      return ring(now).verifying.has(known.claims.kid) ? known.claims : null
    },
  }
}

/** The key sets the algorithm: a token that names another one is rejected (RFC 8725 §3.1). */
function keyNamed ({ verifying }: KeyRing, kid: string, algorithm: unknown): CryptoKey {
  const key = verifying.get(kid)
  if (key === undefined || key.algorithm !== algorithm) throw new Error('no such key')
  return key.publicKey
}

/** Whether a kid has the form of this deployment's kids (RFC 7638, SHA-256). */
function isThumbprint (kid: unknown): kid is string {
  return typeof kid === 'string' && /^[\w-]{43}$/.test(kid)
}

/**
 * Whether a text has the form of a JWT: three parts of base64url, the first a JSON object that names an algorithm (RFC
 * 7519 §7.2). Decides how the text is read; says nothing of its signature.
 */
export function isJwtByForm (text: string): boolean {
  // From the shortest header that names an algorithm up to a bound on the work for an unauthenticated caller.
  const header = /^([A-Za-z0-9_-]{14,2048})\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/.exec(text)?.[1]
  if (header === undefined) return false
  try {
    const read: unknown = JSON.parse(Buffer.from(header, 'base64url').toString())
    return typeof (read as { alg?: unknown } | null)?.alg === 'string'
  } catch {
    return false
  }
}

/**
 * Whether a JOSE header brings a key of its own, or a critical extension: neither is ever accepted (RFC 8725 §3.10).
 */
export function bringsItsOwnKey (header: object): boolean {
  return ['jwk', 'jku', 'x5u', 'x5c', 'crit'].some(member => member in header)
}

/** Whether the token has expired: at `exp` itself it has (RFC 7519 §4.1.4). */
export function isExpired (claims: { exp: number }, now: Date): boolean {
  return now.getTime() >= claims.exp * 1000
}

/** Whether the token was issued, or becomes valid, later than a difference of clocks explains. */
export function isFromTheFuture (claims: { iat: number, nbf?: number }, now: Date): boolean {
  return Math.max(claims.iat, claims.nbf ?? 0) > epochSeconds(now) + clockTolerance
}

/**
 * Revokes one token: refused from the next request on, and stored until it would have expired (RFC 7009 §2.1).
 * Idempotent.
 */
export async function revokeToken (
  { store, clock, actor }: Operation<AuditPort & RevokedTokenPort>, claims: AccessTokenClaims
): Promise<void> {
  const now = clock()
  await store.transaction(async tx => {
    if (await tx.revokedTokens.has(claims.jti)) return
    await tx.revokedTokens.insert({
      jti: claims.jti, clientId: claims.client_id, revokedAt: now, expiresAt: new Date(claims.exp * 1000)
    })
    await tx.audit.append(auditEvent(actor, now, 'token.revoked', {
      organizationId: claims.org_id ?? null, subject: claims.client_id, detail: { jti: claims.jti },
    }))
  })
}

/** Access tokens (RFC 9068): their claims, the readers that verify them, and their revocation. */
import { compactVerify, type CompactVerifyGetKey, type CryptoKey } from 'jose'
import { lru } from '../../base/lru.ts'
import type { Awaitable } from '../../base/awaitable.ts'
import { epochSeconds } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { isBase64url } from '../../base/plain-text.ts'
import { auditEvent } from '../audit/event.ts'
import { signingAlgorithms, type KeyRing, type SigningKeys } from './signing-key.ts'
import type { Operation } from '../core/operation.ts'
import type { AuditPort } from '../audit/log.ts'

/** The claims of an access token (RFC 9068 §2.2), with ours: the organization and the client's generation. */
export interface AccessTokenClaims {
  iss: string
  aud: string
  sub: string
  client_id: string
  jti: string
  /** Seconds since the epoch, whole. */
  iat: number
  exp: number
  /** Space-delimited; absent when nothing was granted. */
  scope?: string
  /** Absent: the client belongs to nobody. */
  org_id?: string
  /** The generation of the client under which the token was minted. */
  gen: number
}

export interface RevokedTokenRepository {
  /** Remembers a token's `jti` until it would have expired; doing it twice changes nothing. */
  insert (token: { jti: string, clientId: string, revokedAt: Date, expiresAt: Date }): Promise<void>
  has (jti: string): Promise<boolean>
  /**
   * Forgets those that expired before, at most so many; returns how many. Servers forget them once fewer than that were
   * left.
   */
  prune (before: Date, limit: number): Promise<number>
}

export interface RevokedTokenPort { revokedTokens: RevokedTokenRepository }

/**
 * Clocks of different machines may differ by this many seconds before a token counts as issued in the future (RFC 7519
 * §4.1.4).
 */
export const clockTolerance = 15

/** Which of our keys signed a token. Not among what the token says of itself. */
export interface Signed { kid: string }

/** Reads the claims of a JWT that one of our keys signed. Remembers signatures that verified, never a verdict. */
export interface JwtReader<Claims> {
  /**
   * Null: not a token of this issuer and type, altered, or malformed. Says nothing about expiry or revocation, of the
   * token or of its key: they change. Goes by the keys of `now`, which the clock is asked for unless it is given.
   */
  read (token: string, now?: Date): Awaitable<Claims & Signed | null>
}

/**
 * A token whose signature verified, found by the end of that signature: nobody has it who was not given the token, so
 * the rest can be compared as it is. To hash the whole token, be it for a digest or for a map, takes several times as
 * long.
 */
interface Verified<Claims> { token: string, claims: Claims & Signed }

/** By what it is found: 192 bits of the signature. */
function endOf (token: string): string {
  return token.slice(-32)
}

/** Reads access tokens. */
export type TokenReader = JwtReader<AccessTokenClaims>

/**
 * The keys that a reader trusts: those of `ring` at the moment of each call. `catchUp` is waited for before one that is
 * not among them counts as unknown.
 */
export type TrustedKeys = Pick<SigningKeys, 'ring'> & Partial<Pick<SigningKeys, 'catchUp'>>

/**
 * How much text of tokens is kept in mind, in characters: 50,000 usual ones, or 2,000 of the longest that a header
 * holds. What is kept of one takes about twice its text.
 */
const remembered = 30_000_000

/** A reader of access tokens. */
export function tokenReader (issuer: string, keys: TrustedKeys): TokenReader {
  return jwtReader('at+jwt', keys, payload => readClaims(issuer, payload))
}

/**
 * A reader of tokens of the type `typ`, which nothing of another type passes (RFC 8725 §3.11). `readClaims` returns
 * null for claims that are not those of the type; `remember` is how many characters of tokens are kept in mind.
 */
export function jwtReader<Claims extends object> (
  typ: string,
  { ring, catchUp }: TrustedKeys,
  readClaims: (payload: Record<string, unknown>) => Claims | null,
  remember = remembered
): JwtReader<Claims> {
  const verified = lru<Verified<Claims>>(remember, { sizeCalculation: ({ token }) => token.length })
  const keep = (given: string, claims: Claims & Signed): void => {
    // A copy: what was given may be a piece of a whole request, all of which it would keep, a client's secret too.
    const token = Buffer.from(given).toString('latin1')
    verified.set(endOf(token), { token, claims })
  }
  const keyFor: CompactVerifyGetKey = async ({ alg, kid, typ: type }) => {
    if (type !== typ || !isThumbprint(kid)) throw new Error('no such key')
    if (!ring().verifying.has(kid)) await catchUp?.()
    return keyNamed(ring(), kid, alg)
  }
  const verify = async (token: string): Promise<Claims & Signed | null> => {
    // Base64url has several spellings of the same bytes; a token has one (RFC 7515 §2).
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
      // Only who could not look for the key does not know.
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

/** The algorithm is the key's: a token that names another one is not ours (RFC 8725 §3.1). */
function keyNamed ({ verifying }: KeyRing, kid: string, algorithm: unknown): CryptoKey {
  const key = verifying.get(kid)
  if (key === undefined || key.algorithm !== algorithm) throw new Error('no such key')
  return key.publicKey
}

/** Whether a kid is one that a key of ours could have (RFC 7638, SHA-256). */
function isThumbprint (kid: unknown): kid is string {
  return typeof kid === 'string' && /^[\w-]{43}$/.test(kid)
}

/**
 * Whether a text is a JWT by its form: three parts of base64url, the first a JSON object that names an algorithm (RFC
 * 7519 §7.2). Decides what a text is to be read as, and nothing else: whoever signed it, or nobody.
 */
export function isJwtByForm (text: string): boolean {
  // From the shortest header that names an algorithm to a bound on what is decoded for a stranger.
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
 * Whether a JOSE header names a key of its own, or something that has to be understood: neither is ever asked of us
 * (RFC 8725 §3.10).
 */
export function bringsItsOwnKey (header: object): boolean {
  return ['jwk', 'jku', 'x5u', 'x5c', 'crit'].some(member => member in header)
}

/** RFC 9068 §4: every claim present with its exact type. Anything else is no access token. */
function readClaims (issuer: string, payload: Record<string, unknown>): AccessTokenClaims | null {
  const wellFormed =
    payload.iss === issuer &&
    typeof payload.aud === 'string' &&
    typeof payload.sub === 'string' &&
    payload.client_id === payload.sub &&
    typeof payload.jti === 'string' && payload.jti !== '' &&
    isNumericDate(payload.iat) && isNumericDate(payload.exp) &&
    (payload.nbf === undefined || isNumericDate(payload.nbf)) &&
    (payload.scope === undefined || typeof payload.scope === 'string') &&
    (payload.org_id === undefined || typeof payload.org_id === 'string') &&
    Number.isSafeInteger(payload.gen)
  return wellFormed ? payload as unknown as AccessTokenClaims : null
}

/** Whether a claim is a whole number of seconds since the epoch (RFC 7519 §2; RFC 9068 has no use for fractions). */
export function isNumericDate (value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number > 0
}

/** Whether the token is past its end: the second in which `exp` falls is already past (RFC 7519 §4.1.4). */
export function isExpired (claims: { exp: number }, now: Date): boolean {
  return now.getTime() >= claims.exp * 1000
}

/** Whether the token claims to come from a future that no clock difference explains. */
export function isFromTheFuture (claims: { iat: number, nbf?: number }, now: Date): boolean {
  return Math.max(claims.iat, claims.nbf ?? 0) > epochSeconds(now) + clockTolerance
}

/**
 * Revokes one token: refused from the next request on, remembered until it would have expired (RFC 7009 §2.1). Doing it
 * twice changes nothing.
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

/** The claims of access tokens (RFC 9068 §2.2): one shape for each kind of subject, and a claim that says which. */
import type { Environment } from '../../secrets/credential-text.ts'

/** The claims of every access token. */
interface CommonClaims {
  iss: string
  aud: string
  sub: string
  client_id: string
  jti: string
  /** Seconds since the epoch, whole. */
  iat: number
  exp: number
  nbf?: number
  /** Space-delimited; absent when nothing was granted. */
  scope?: string
  /** The organization of the subject. Absent: it has none. */
  org_id?: string
}

/**
 * The token of a client, with Latchkey's own claims: the client's generation, and the authorization of the member for
 * whom the client acts. `sub` is the client itself; in the token of a person, the member.
 */
export interface ClientTokenClaims extends CommonClaims {
  sub_kind?: never
  /** The generation of the client at issuance. */
  gen: number
  /** The id of the authorization. Absent: the client acts for itself. */
  gnt?: string
  /** The token that it was exchanged for, and with which it ends. Absent: none. */
  par?: ParentToken
}

/** Of the token that another was exchanged for: its `jti`, the client's generation, and the key that signed it. */
export interface ParentToken { jti: string, gen: number, kid: string }

/** The token that an API key was exchanged for (RFC 8693). `sub` and `client_id` are the id of the key. */
export interface KeyTokenClaims extends CommonClaims {
  sub_kind: 'api_key'
  org_id: string
  /** Of the key. */
  env: Environment
}

/**
 * The token of a workload that a trusted issuer vouches for (RFC 7523). `sub` and `client_id` are the client that it
 * acts as, or the rule, if it acts as itself.
 */
export interface WorkloadTokenClaims extends CommonClaims {
  sub_kind: 'workload'
  /** The id of the rule; of the issuer, for ID-JAG. */
  trust: string
  /** Under which revision of issuer and rule it was made. */
  trust_rev: string
  /** The `sub` of the assertion. */
  workload: string
  /** The generation of the client at issuance. Absent: it acts as itself. */
  gen?: number
  gnt?: never
}

/** `sub_kind` says what `sub` is; absent: a client, or with `gnt` a member. Its form says nothing. */
export type AccessTokenClaims = ClientTokenClaims | KeyTokenClaims | WorkloadTokenClaims

/** Whether no client proves itself for the token: it is of an API key, or of a workload that acts as itself. */
export function hasNoClient (claims: AccessTokenClaims): boolean {
  return claims.sub_kind === 'api_key' || (claims.sub_kind === 'workload' && claims.gen === undefined)
}

/** RFC 9068 §4: every claim must be present with its exact type; else it is not an access token, and null. */
export function readClaims (issuer: string, payload: Record<string, unknown>): AccessTokenClaims | null {
  const wellFormed =
    payload.iss === issuer &&
    typeof payload.aud === 'string' &&
    typeof payload.sub === 'string' &&
    typeof payload.client_id === 'string' &&
    typeof payload.jti === 'string' && payload.jti !== '' &&
    isNumericDate(payload.iat) && isNumericDate(payload.exp) &&
    (payload.nbf === undefined || isNumericDate(payload.nbf)) &&
    (payload.scope === undefined || typeof payload.scope === 'string') &&
    (payload.org_id === undefined || typeof payload.org_id === 'string') &&
    isOfKnownSubject(payload)
  if (!wellFormed) return null
  const claims = payload as unknown as AccessTokenClaims
  return claims.sub_kind === undefined && claims.par !== undefined ? { ...claims, gen: claims.par.gen } : claims
}

/**
 * The claims as they are signed: an exchanged token has its generation in `par` alone, so that no server that does not
 * know of parents takes it.
 */
export function signedClaims (claims: AccessTokenClaims): object {
  if (claims.sub_kind !== undefined || claims.par === undefined) return claims
  const { gen: _, ...signed } = claims
  return signed
}

/** A kind of subject that this server does not know is no reason to guess: the token of a newer server is refused. */
function isOfKnownSubject (payload: Record<string, unknown>): boolean {
  const { sub_kind: kind, sub, client_id: clientId, gnt, gen, par, env, org_id: organizationId } = payload
  switch (kind) {
    case undefined: return (gnt === undefined ? clientId === sub : typeof gnt === 'string') && isOfGeneration(gen, par)
    case 'api_key':
      return clientId === sub && organizationId !== undefined && (env === 'live' || env === 'test') &&
        [gnt, gen, par].every(claim => claim === undefined)
    case 'workload': return clientId === sub && gnt === undefined && par === undefined && isOfTrust(payload)
    default: return false
  }
}

function isOfTrust ({ trust, trust_rev: revision, workload, gen }: Record<string, unknown>): boolean {
  return [trust, revision, workload].every(each => typeof each === 'string' && each !== '') &&
    (gen === undefined || Number.isSafeInteger(gen))
}

/** The generation is that of the client, or of the token that it was exchanged for. */
function isOfGeneration (generation: unknown, parent: unknown): boolean {
  if (parent === undefined) return Number.isSafeInteger(generation)
  if (generation !== undefined || typeof parent !== 'object' || parent === null) return false
  const { jti, gen, kid } = parent as Record<string, unknown>
  return typeof jti === 'string' && jti !== '' && Number.isSafeInteger(gen) && typeof kid === 'string'
}

/** Whether a claim is a whole number of seconds since the epoch (RFC 7519 §2; RFC 9068 has no use for fractions). */
export function isNumericDate (value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number > 0
}

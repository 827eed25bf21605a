/** Logout tokens (OpenID Connect Back-Channel Logout §2.4): a provider says that a session, or a person, has ended. */
import { decodeJwt, errors, jwtVerify, type JWTPayload } from 'jose'
import type { ProviderLogout } from '../../domain/providers/provider-logout.ts'
import { OAuthError } from '../shared/oauth-error.ts'
import { isOutage, providerClockTolerance, unavailable, type ProviderClient } from './provider-client.ts'

/** Asymmetric ones: an HMAC would be keyed with the client secret. */
const algorithms = [
  'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'
]
const event = 'http://schemas.openid.net/event/backchannel-logout'

/** Seconds from its issue for which a token is taken: a provider sends it at once, and some retry. */
const longestAge = 600
const longestId = 512

/**
 * Verifies a logout token (§2.6); its single use is the caller's.
 * @throws OAuthError `invalid_request`; Failure `identity_provider_unavailable` when its keys cannot be fetched.
 */
export async function readLogoutToken (
  clients: Iterable<ProviderClient>, token: string, now: Date
): Promise<ProviderLogout> {
  const upstream = addressee(clients, token)
  const { provider: { id, issuer, clientId } } = upstream
  const keys = await upstream.keys()
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer,
    audience: clientId,
    algorithms,
    currentDate: now,
    clockTolerance: providerClockTolerance,
    maxTokenAge: longestAge,
    requiredClaims: ['exp', 'jti', 'events'],
  }).catch((error: unknown) => {
    if (isOutage(error) || error instanceof errors.JWKSTimeout) throw unavailable(upstream.provider, error)
    throw invalid(`it is not valid (${error instanceof errors.JOSEError ? error.code : 'unreadable'})`)
  })
  requireOwnType(protectedHeader.typ)
  return { provider: id, issuer, ...subjectsOf(payload), expiresAt: expiryOf(payload) }
}

/**
 * The type is recommended alone (§2.4): a token may have none, or that of every JWT. The claims keep other kinds out:
 * an ID token has no `events`, and may have a nonce. A token that names another kind is of that kind (RFC 8725 §3.11).
 */
function requireOwnType (typ: string | undefined): void {
  const type = typ?.toLowerCase().replace(/^application\//, '')
  if (type === undefined || type === 'jwt' || type === 'logout+jwt') return
  throw invalid('its type is that of another kind of token')
}

/** The provider that a token says it is from, and to whose client here. Nothing is verified yet. */
function addressee (clients: Iterable<ProviderClient>, token: string): ProviderClient {
  let claimed: JWTPayload
  try {
    claimed = decodeJwt(token)
  } catch {
    throw invalid('it is not a JWT')
  }
  const audiences = [claimed.aud].flat()
  for (const upstream of clients) {
    const { issuer, clientId } = upstream.provider
    if (issuer === claimed.iss && audiences.includes(clientId)) return upstream
  }
  throw invalid('no identity provider of this server has its issuer and audience')
}

function subjectsOf ({ sub, sid, jti, nonce, events }: JWTPayload) {
  if (nonce !== undefined) throw invalid('it has a nonce, so it is an ID token')
  const logout = (events as Record<string, unknown> | null)?.[event]
  if (typeof logout !== 'object' || logout === null) throw invalid('its events do not name a logout')
  const subject = idOrNull(sub, 'sub')
  const providerSession = idOrNull(sid, 'sid')
  if (subject === null && providerSession === null) throw invalid('it names neither sub nor sid')
  return { subject, providerSession, jti: idOrNull(jti, 'jti')! }
}

function idOrNull (value: unknown, name: string): string | null {
  if (value === undefined) return null
  if (typeof value === 'string' && value !== '' && value.length <= longestId) return value
  throw invalid(`its ${name} is not a text of 1 to ${longestId} characters`)
}

function expiryOf ({ exp, iat }: JWTPayload): Date {
  return new Date((Math.min(exp!, iat! + longestAge) + providerClockTolerance) * 1000)
}

function invalid (why: string): OAuthError {
  return new OAuthError(400, 'invalid_request', `The logout token is refused: ${why}.`)
}

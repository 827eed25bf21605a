/** WebAuthn: what browsers are asked, and what their answers prove. The library is loaded on first use. */
import type {
  AuthenticationResponseJSON, PublicKeyCredentialCreationOptionsJSON, PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON
} from '@simplewebauthn/server'
import { challengeLifetime } from './passkey-challenge.ts'
import type { Passkey, RelyingParty } from './passkey.ts'

/** As `credential.toJSON()` of a browser writes them (WebAuthn Level 3, §5.1). */
export type { AuthenticationResponseJSON, RegistrationResponseJSON }
export type CreationOptions = PublicKeyCredentialCreationOptionsJSON
export type RequestOptions = PublicKeyCredentialRequestOptionsJSON

/** An answer that proves nothing. `message`: what is wrong with it, for the audit log. */
export class InvalidResponse extends Error {}

/** EdDSA, ES256 and RS256: the same on every server, whatever else its Node.js knows. */
const algorithms = [-8, -7, -257]

/** Person and authenticator: it is there, it knows them, and it finds the passkey by itself at sign-in. */
const selection = { residentKey: 'required', userVerification: 'required' } as const

export interface NewPasskeyOptions {
  party: RelyingParty
  challenge: string
  /** `handle`: base64url. */
  user: { handle: string, name: string, displayName: string }
  /** Authenticators that have one of these make no other one. */
  existing: readonly Passkey[]
}

export async function creationOptions (
  { party, challenge, user, existing }: NewPasskeyOptions
): Promise<CreationOptions> {
  const { generateRegistrationOptions } = await import('@simplewebauthn/server')
  return await generateRegistrationOptions({
    rpName: 'Latchkey',
    rpID: party.id,
    userID: bytes(user.handle),
    userName: user.name,
    userDisplayName: user.displayName,
    challenge,
    timeout: challengeLifetime * 1_000,
    attestationType: 'none',
    authenticatorSelection: { ...selection },
    supportedAlgorithmIDs: algorithms,
    excludeCredentials: existing.map(({ credentialId, transports }) => ({
      id: credentialId, transports: [...transports] as never
    })),
  })
}

export async function requestOptions (
  { party, challenge }: Pick<NewPasskeyOptions, 'party' | 'challenge'>
): Promise<RequestOptions> {
  const { generateAuthenticationOptions } = await import('@simplewebauthn/server')
  return await generateAuthenticationOptions({
    rpID: party.id, challenge, timeout: challengeLifetime * 1_000, userVerification: 'required'
  })
}

/** The challenge that a browser answers. @throws InvalidResponse. */
export function challengeOf ({ response }: { response: { clientDataJSON: string } }): string {
  const { challenge } = clientDataOf(response)
  return Buffer.from(challenge, 'base64url').toString()
}

function clientDataOf ({ clientDataJSON }: { clientDataJSON: string }): { challenge: string } {
  try {
    const { challenge, crossOrigin } = JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString())
    if (typeof challenge === 'string' && crossOrigin !== true) return { challenge }
  } catch {
    // Said below.
  }
  throw new InvalidResponse('clientDataJSON is not that of a page of ours')
}

export type NewCredential = Pick<Passkey, 'credentialId' | 'publicKey' | 'counter' | 'transports' | 'backedUp'>

/** The credential that an authenticator has made. @throws InvalidResponse. */
export async function verifyCreation (
  response: RegistrationResponseJSON, party: RelyingParty, challenge: string
): Promise<NewCredential> {
  const { verifyRegistrationResponse } = await import('@simplewebauthn/server')
  await requireNoCertificates(response)
  const { verified, registrationInfo } = await proved(verifyRegistrationResponse({
    response, ...expectations(party, challenge), supportedAlgorithmIDs: algorithms
  }))
  if (!verified) throw new InvalidResponse('the attestation does not verify')
  const { credential: { id, publicKey, counter, transports = [] }, credentialBackedUp } = registrationInfo
  return {
    credentialId: id,
    publicKey: Buffer.from(publicKey).toString('base64url'),
    counter,
    transports,
    backedUp: credentialBackedUp
  }
}

/**
 * No attestation is asked for, and so no certificate of a stranger is read: only `none`, and the signature by the new
 * key itself that browsers leave in its place (WebAuthn §5.1.3).
 */
async function requireNoCertificates ({ response }: RegistrationResponseJSON): Promise<void> {
  const { decodeAttestationObject } = await import('@simplewebauthn/server/helpers')
  const attestation = await proved(async () => decodeAttestationObject(bytes(response.attestationObject)))
  const format = attestation.get('fmt')
  const isSelf = format === 'packed' && attestation.get('attStmt').get('x5c') === undefined
  if (format !== 'none' && !isSelf) throw new InvalidResponse('it brings an attestation that was not asked for')
}

/**
 * What an authenticator has signed. The counter is compared by the caller: only a right signature tells anything.
 * @throws InvalidResponse.
 */
export async function verifyAssertion (
  response: AuthenticationResponseJSON, { credentialId: id, publicKey }: Passkey, party: RelyingParty, challenge: string
): Promise<Pick<Passkey, 'counter' | 'backedUp'>> {
  const { verifyAuthenticationResponse } = await import('@simplewebauthn/server')
  const { verified, authenticationInfo } = await proved(verifyAuthenticationResponse({
    response, ...expectations(party, challenge), credential: { id, publicKey: bytes(publicKey), counter: 0 }
  }))
  if (!verified) throw new InvalidResponse('the signature does not verify')
  return { counter: authenticationInfo.newCounter, backedUp: authenticationInfo.credentialBackedUp }
}

function expectations (party: RelyingParty, challenge: string) {
  return {
    expectedChallenge: Buffer.from(challenge).toString('base64url'),
    expectedOrigin: party.origin,
    expectedRPID: party.id,
    requireUserVerification: true
  }
}

/** The library throws errors of many kinds at what it cannot read or does not believe. It asks no one else. */
async function proved<T> (work: Promise<T> | (() => Promise<T>)): Promise<T> {
  try {
    return await (typeof work === 'function' ? work() : work)
  } catch (error) {
    throw new InvalidResponse(error instanceof Error ? error.message.slice(0, 200) : 'it cannot be read')
  }
}

function bytes (text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(text, 'base64url'))
}

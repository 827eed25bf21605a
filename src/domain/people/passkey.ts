/** Passkeys: public keys in authenticators of people. Each belongs to an identity, and signs in for it. */
import { isIPv4 } from 'node:net'
import { Failure } from '../../base/errors.ts'
import { reasonAgainstOrganization, type Organization } from '../tenancy/organization.ts'
import type { Identity } from './identity.ts'

/** The provider of identities that passkeys prove. Their subject is the user handle: random, and nothing else. */
export const passkeyProvider = 'passkey'

export interface Passkey {
  /** `pky_…` */
  id: string
  identityId: Identity['id']
  /** The id that the authenticator gave it, base64url. */
  credentialId: string
  /** COSE, base64url. */
  publicKey: string
  /** How often it was used, as the authenticator counts; 0: it does not count. */
  counter: number
  /** How browsers reach the authenticator: values of `AuthenticatorTransport`. */
  transports: readonly string[]
  /** Whether copies of it are kept outside of one device. */
  backedUp: boolean
  name: string
  createdAt: Date
  lastUsedAt: Date | null
}

export interface PasskeyRepository {
  /** @throws Failure `conflict` for a credential that is there already. */
  insert (passkey: Passkey): Promise<void>
  byCredential (credentialId: string): Promise<Passkey | null>
  /** Those of every identity that stands for a member, oldest first. */
  ofMember (memberId: string): Promise<Passkey[]>
  /** Notes a use, in one statement; false: it was removed, or its counter is not `from` any more. */
  use (id: string, from: number, to: Pick<Passkey, 'counter' | 'backedUp'>, at: Date): Promise<boolean>
  rename (id: string, name: string): Promise<void>
  /** False: it was removed already. */
  remove (id: string): Promise<boolean>
}

export interface PasskeyPort { passkeys: PasskeyRepository }

/** Passkeys of one identity, at most. */
export const mostPasskeys = 20

/** What passkeys are bound to: the host (`id`) and the origin of the issuer. */
export interface RelyingParty { id: string, origin: string }

/** @throws Failure `passkeys_unavailable` for an issuer whose host is an IP address. */
export function relyingParty (issuer: string): RelyingParty {
  const party = relyingPartyOf(issuer)
  if (party === null) throw new Failure('passkeys_unavailable')
  return party
}

/** Null: passkeys belong to a name, and the host of the issuer is an IP address. */
export function relyingPartyOf (issuer: string): RelyingParty | null {
  const { hostname, origin } = new URL(issuer)
  return isIPv4(hostname) || hostname.startsWith('[') ? null : { id: hostname, origin }
}

/** Why an organization takes no passkey of its members; null: it does. Asked at registration and at sign-in. */
export function reasonAgainstPasskeys (
  organization: Organization | null
): 'organization_not_active' | 'provider_required' | null {
  if (reasonAgainstOrganization(organization) !== null) return 'organization_not_active'
  return organization!.requiresProvider ? 'provider_required' : null
}

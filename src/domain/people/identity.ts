/** Identities: how people prove who they are. Each stands for at most one member of an organization. */
import { newId } from '../../secrets/random.ts'

/** A subject of a provider, or the user handle of passkeys. Belongs to no organization: members do. */
export interface Identity {
  /** `idn_…` */
  id: string
  /** The issuer of a provider, which outlives its id in the configuration, or `passkey`. */
  provider: string
  /** The provider's `sub`, or the user handle. Compared exactly. */
  subject: string
  createdAt: Date
}

/** The member of one organization that an identity stands for. */
export interface IdentityMember { identityId: string, organizationId: string, memberId: string, createdAt: Date }

export interface IdentityRepository {
  /** @throws Failure `conflict` for a subject that is there already. */
  insert (identity: Identity): Promise<void>
  get (id: string): Promise<Identity | null>
  bySubject (provider: string, subject: string): Promise<Identity | null>
  ofMember (memberId: string): Promise<Identity[]>
  /** @throws Failure `conflict` if it stands for a member of that organization already. */
  link (link: IdentityMember): Promise<void>
  unlink (identityId: string, organizationId: string): Promise<void>
  /** The members that it stands for, oldest first. */
  members (identityId: string): Promise<IdentityMember[]>
}

export interface IdentityPort { identities: IdentityRepository }

/** The identity of this subject; makes it if there is none. Inside a transaction. */
export async function identityOf (
  tx: IdentityPort, provider: string, subject: string, now: Date
): Promise<Identity> {
  const known = await tx.identities.bySubject(provider, subject)
  if (known !== null) return known
  const identity: Identity = { id: newId('idn'), provider, subject, createdAt: now }
  await tx.identities.insert(identity)
  return identity
}

/** Signing keys: their states, which one signs, and the ring of those that sign and verify now. */
import type { CryptoKey, JWK } from 'jose'
import type { AuditPort } from '../audit/log.ts'
import { secondsAfter } from '../../base/clock.ts'
import type { Awaitable } from '../../base/awaitable.ts'
import type { Operation } from '../core/operation.ts'

/**
 * What access tokens are signed by, as their resource chooses (RFC 7518 §3.1, RFC 8037 §3.1); the first one unless it
 * does, and for sessions. `EdDSA` is Ed25519 under the name that verifiers know: RFC 9864 §2.2 has another one for it.
 */
export const signingAlgorithms = ['ES256', 'RS256', 'EdDSA'] as const
export type SigningAlgorithm = typeof signingAlgorithms[number]
export const defaultAlgorithm = signingAlgorithms[0]

/**
 * A key that signs access tokens. Its private half is kept sealed under LATCHKEY_SECRET, with the kid as associated
 * data. What it is for follows from its times, so every server that knows them changes keys at the same instant.
 */
export interface SigningKey {
  /** The JWK's thumbprint (RFC 7638). */
  kid: string
  algorithm: SigningAlgorithm
  publicJwk: JWK
  sealedPrivateKey: string
  createdAt: Date
  /** From then on it signs; may lie ahead. */
  activatedAt: Date
  /** From then on another one signs; may lie ahead. Null: no end is set. */
  retiredAt: Date | null
  /** When the last token that it signed is dead; null: no end is set. */
  publishedUntil: Date | null
  /** From then on it is not published, and no token that it signed is good. Null: it was not revoked. */
  revokedAt: Date | null
  revokedReason: string | null
  revision: number
}

/**
 * Published, not signing → signing → published until the last token it signed is dead → of no use any more. A revoked
 * one is not published, and kept until then for the answer to be precise.
 */
export const signingKeyStates = ['pending', 'active', 'retired', 'revoked', 'gone'] as const
export type SigningKeyState = typeof signingKeyStates[number]

/** What a key is for at `now`. */
export function stateOfSigningKey (
  { activatedAt, retiredAt, publishedUntil, revokedAt }: SigningKey, now: Date
): SigningKeyState {
  if (publishedUntil !== null && publishedUntil <= now) return 'gone'
  if (revokedAt !== null) return 'revoked'
  if (retiredAt !== null && retiredAt <= now) return 'retired'
  return activatedAt <= now ? 'active' : 'pending'
}

/**
 * The key that signs by `algorithm` at `now`. Of several the oldest: when two servers made a first key at once, both
 * sign with the same one. A clock that was set back finds none that is active yet, and takes the oldest that is to be.
 * Never one that was revoked, nor, as long as there is another, one that is retired: it would be gone before its last
 * token is. For an algorithm that resources choose there is another, the default's: so its first key is published
 * before it signs, and none that is retired does.
 */
export function signingAt (
  keys: readonly SigningKey[], now: Date, algorithm: SigningAlgorithm = defaultAlgorithm
): SigningKey | undefined {
  const own = keys.filter(key => key.algorithm === algorithm)
  const oldest = (state: SigningKeyState) => own.find(key => stateOfSigningKey(key, now) === state)
  const signing = oldest('active') ?? oldest('pending')
  if (algorithm === defaultAlgorithm) return signing ?? oldest('retired')
  return signing === undefined || isBeingPublished(signing, now) ? undefined : signing
}

/** Made, and not to sign yet. What is to be made in the future is there by a clock that was set back. */
function isBeingPublished ({ createdAt, activatedAt }: SigningKey, now: Date): boolean {
  return createdAt <= now && now < activatedAt
}

/**
 * Until when a cache of the published keys may lack the one that signs by `algorithm`; null: it has it, or there is
 * none that signs.
 */
export function freshUntil (keys: readonly SigningKey[], now: Date, algorithm: SigningAlgorithm): Date | null {
  const signing = signingAt(keys, now, algorithm)
  if (signing === undefined || signing.createdAt > now) return null
  const until = secondsAfter(signing.createdAt, publicationTime)
  return now < until ? until : null
}

/** Whether there is a key that signs by `algorithm`, or will. */
export function isProvided (keys: readonly SigningKey[], now: Date, algorithm: SigningAlgorithm): boolean {
  return keys.some(key => key.algorithm === algorithm && ['active', 'pending'].includes(stateOfSigningKey(key, now)))
}

/** Whether the key that signed a token was revoked, or is missing among `keys`: then nothing that it signed is good. */
export function isKeyRevoked (keys: ReadonlyMap<string, SigningKey>, { kid }: { kid: string }): boolean {
  return keys.get(kid)?.revokedAt !== null
}

export interface SigningKeyRepository {
  insert (key: SigningKey): Promise<void>
  /** Replaces its times, and why it was revoked; returns it with its next revision. */
  update (key: SigningKey): Promise<SigningKey>
  /** Replaces the sealed private half. */
  reseal (key: Pick<SigningKey, 'kid' | 'sealedPrivateKey'>): Promise<void>
  remove (kid: string): Promise<void>
  /** Oldest first. */
  all (): Promise<SigningKey[]>
}

export interface SigningKeyPort { signingKeys: SigningKeyRepository }

/** A signing key with its private half open: only in memory, and only where tokens are signed. */
export interface OpenSigningKey { kid: string, algorithm: SigningAlgorithm, privateJwk: JWK }

/** What verifies the tokens of a key: by its own algorithm and no other, whatever a token says (RFC 8725 §3.1). */
export interface VerifyingKey { algorithm: SigningAlgorithm, publicKey: CryptoKey }

/** The keys of this deployment at one instant. */
export interface KeyRing {
  /** The key that signs now by the default algorithm. */
  signing: OpenSigningKey
  /** The keys that sign now, that one among them, by algorithm. */
  signers: ReadonlyMap<SigningAlgorithm, OpenSigningKey>
  /**
   * What verifies, by kid: the signing keys, every other that is published, and those that were revoked: a token of one
   * of them is known for what it is, and refused by what the registry says of its key.
   */
  verifying: ReadonlyMap<string, VerifyingKey>
  /** RFC 7517: public halves only, the signing keys first, of them that of the default algorithm. */
  jwks: { keys: JWK[] }
}

/**
 * What signs the tokens of a resource that chose `algorithm`: while its first key is being published, the default's.
 */
export function signerFor (
  { signing, signers }: Pick<KeyRing, 'signing' | 'signers'>, algorithm: SigningAlgorithm
): OpenSigningKey {
  return signers.get(algorithm) ?? signing
}

/** What resources ask of signing keys: implemented by the port of resources. */
export interface KeyUse {
  /** Whether a resource that is in use has it. */
  usesAlgorithm (algorithm: SigningAlgorithm): Promise<boolean>
  /** In seconds, of all resources there ever were. */
  longestTokenLifetime (): Promise<number>
}

export interface KeyUsePort { resources: KeyUse }

/** What changes of signing keys read and write. */
export type SigningPorts = AuditPort & KeyUsePort & SigningKeyPort

/** The signing keys as a running server holds them. */
export interface SigningKeys {
  /**
   * The keys as they are at `now`, by the clock unless it is given. The same object until something about them changes.
   */
  ring (now?: Date): KeyRing
  /**
   * Makes another key of the algorithm, the default one unless it is given, which signs once it has been published for
   * `publicationTime`. @throws Failure `conflict` when there is one.
   */
  rotate (operation: Operation<SigningPorts>, algorithm?: SigningAlgorithm): Promise<SigningKey>
  /**
   * Makes a key of the algorithm if there is none. Every server knows it when this resolves. `atOnce`: it signs from
   * now on, as the first key of a deployment does; else once it has been published for `publicationTime`.
   */
  provide (operation: Operation<SigningPorts>, algorithm: SigningAlgorithm, atOnce: boolean): Promise<void>
  /**
   * For a rotation at once: the next key, which every server knows when this resolves. None signs with it before
   * `signAtOnce`, or in time. Two steps, each of which the servers have to have heard of: one would let a server sign
   * before others know the key.
   */
  publishNext (operation: Operation<SigningPorts>, algorithm?: SigningAlgorithm): Promise<SigningKey>
  /** Lets the key sign that `publishNext` answered. @throws Failure `conflict` when it was revoked meanwhile. */
  signAtOnce (operation: Operation<SigningPorts>, kid: string): Promise<SigningKey>
  /**
   * As `rotate` in time, of each algorithm whose key that signs is `days` old while no other is pending; 0 days: none
   * ever is. An algorithm that no resource has any more loses its key then; one that a resource has is given one if it
   * has none.
   */
  rotateWhenDue (operation: Operation<SigningPorts>, days: number): Promise<void>
  /** Ends a key, and with it every token that it signed. If it is the one that signs, another one does before. */
  revoke (operation: Operation<SigningPorts>, kid: string, reason: string | null): Promise<SigningKey>
  /**
   * Reads them again: after a change, by whatever server. @throws Failure `not_ready` where `openSigningKeys` throws
   * ConfigurationError.
   */
  reload (): Promise<void>
  /**
   * Reads them again if the registry has them otherwise: another server has changed them, and this one has not heard of
   * it. To be waited for before anything is signed or published, and before a key counts as unknown.
   */
  catchUp (): Awaitable<void>
}

/**
 * How long anybody may keep the published keys in a cache, in seconds: so long a new key is published before it signs.
 */
export const publicationTime = 300

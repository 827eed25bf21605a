/** Signing keys: their states, which one signs, and the ring of those that sign and verify now. */
import type { CryptoKey, JWK } from 'jose'
import type { AuditPort } from '../audit/log.ts'
import type { Reseal, SealedKind } from '../audit/resealing.ts'
import { sealAnew } from '../../secrets/sealing.ts'
import { secondsAfter } from '../../base/clock.ts'
import type { Awaitable } from '../../base/awaitable.ts'
import type { Operation } from '../core/operation.ts'

/**
 * The signing algorithms of access tokens; a resource chooses one (RFC 7518 §3.1, RFC 8037 §3.1). The first one is the
 * default, and signs sessions. `EdDSA` is Ed25519 by the name that verifiers know: RFC 9864 §2.2 names it anew.
 */
export const signingAlgorithms = ['ES256', 'RS256', 'EdDSA'] as const
export type SigningAlgorithm = typeof signingAlgorithms[number]
export const defaultAlgorithm = signingAlgorithms[0]

/**
 * The algorithms of ID tokens; a client registers one (OpenID Connect Registration §2). Without that it is the default.
 */
export const idTokenAlgorithms = ['ES256', 'RS256'] as const satisfies readonly SigningAlgorithm[]
export type IdTokenAlgorithm = typeof idTokenAlgorithms[number]

/**
 * A key that signs access tokens. Its private half is sealed under LATCHKEY_SECRET, with the kid as associated data.
 * Its state follows from its times, so every server that knows them switches keys at the same instant.
 */
export interface SigningKey {
  /** The JWK's thumbprint (RFC 7638). */
  kid: string
  algorithm: SigningAlgorithm
  publicJwk: JWK
  sealedPrivateKey: string
  createdAt: Date
  /** When it begins to sign; may lie ahead. */
  activatedAt: Date
  /** When another key signs instead; may lie ahead. Null: no end is set. */
  retiredAt: Date | null
  /** When its last token has expired; null: no end is set. */
  publishedUntil: Date | null
  /** When it was revoked: it is not published, and its tokens are refused. Null: it was not. */
  revokedAt: Date | null
  revokedReason: string | null
  revision: number
}

/**
 * Published, not signing → signing → published until its last token has expired → gone. A revoked key is not published,
 * and is kept until then for a precise reason of refusal.
 */
export const signingKeyStates = ['pending', 'active', 'retired', 'revoked', 'gone'] as const
export type SigningKeyState = typeof signingKeyStates[number]

/** The state of a key at `now`. */
export function stateOfSigningKey (
  { activatedAt, retiredAt, publishedUntil, revokedAt }: SigningKey, now: Date
): SigningKeyState {
  if (publishedUntil !== null && publishedUntil <= now) return 'gone'
  if (revokedAt !== null) return 'revoked'
  if (retiredAt !== null && retiredAt <= now) return 'retired'
  return activatedAt <= now ? 'active' : 'pending'
}

/**
 * The key that signs by `algorithm` at `now`; of several the oldest, so that two servers that each made a first key
 * sign with the same one. If the clock was set back and none is active yet, the oldest pending one. Never a revoked
 * key, nor a retired one while there is another: it would be gone before its last token. An algorithm that resources
 * choose always has another, the default's, so its first key is published before it signs, and no retired key of it
 * signs.
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

/** Made, and not to sign yet. After the clock was set back, a key may have been made in the future. */
function isBeingPublished ({ createdAt, activatedAt }: SigningKey, now: Date): boolean {
  return createdAt <= now && now < activatedAt
}

/**
 * Until when a cache of the published keys may lack the key that signs by `algorithm`; null: caches have it, or none
 * signs.
 */
export function freshUntil (keys: readonly SigningKey[], now: Date, algorithm: SigningAlgorithm): Date | null {
  const signing = signingAt(keys, now, algorithm)
  if (signing === undefined || signing.createdAt > now) return null
  const until = secondsAfter(signing.createdAt, publicationTime)
  return now < until ? until : null
}

/** Whether a key signs by `algorithm`, or will. */
export function isProvided (keys: readonly SigningKey[], now: Date, algorithm: SigningAlgorithm): boolean {
  return keys.some(key => key.algorithm === algorithm && ['active', 'pending'].includes(stateOfSigningKey(key, now)))
}

/** Whether the key that signed a token was revoked, or is missing among `keys`: then none of its tokens is valid. */
export function isKeyRevoked (keys: ReadonlyMap<string, SigningKey>, { kid }: { kid: string }): boolean {
  return keys.get(kid)?.revokedAt !== null
}

export interface SigningKeyRepository {
  insert (key: SigningKey): Promise<void>
  /** Replaces its times and the reason of its revocation; returns it with its next revision. */
  update (key: SigningKey): Promise<SigningKey>
  /** Replaces the sealed private half of the key with this kid. False: it has another one. */
  reseal (reseal: Reseal): Promise<boolean>
  remove (kid: string): Promise<void>
  /** Oldest first. */
  all (): Promise<SigningKey[]>
}

export interface SigningKeyPort { signingKeys: SigningKeyRepository }

export const sealedSigningKeys: SealedKind<SigningKeyPort> = {
  event: 'signing_key.resealed',
  async * read (store, secrets) {
    for (const { kid, sealedPrivateKey: sealed } of await store.signingKeys.all()) {
      yield { id: kid, organizationId: null, sealed, anew: sealAnew(sealed, secrets, kid) }
    }
  },
  write: async (tx, reseal) => await tx.signingKeys.reseal(reseal),
}

/** A signing key with its private half unsealed: only in memory, where tokens are signed. */
export interface OpenSigningKey { kid: string, algorithm: SigningAlgorithm, privateJwk: JWK }

/** A key that verifies tokens: by its own algorithm alone, whatever a token names (RFC 8725 §3.1). */
export interface VerifyingKey { algorithm: SigningAlgorithm, publicKey: CryptoKey }

/** The deployment's keys at one instant. */
export interface KeyRing {
  /** The key that signs by the default algorithm. */
  signing: OpenSigningKey
  /** The keys that sign, by algorithm; includes `signing`. */
  signers: ReadonlyMap<SigningAlgorithm, OpenSigningKey>
  /**
   * The keys that verify, by kid: those that sign, the other published ones, and the revoked ones: a token of a revoked
   * key is recognized, and refused by the state of its key in the registry.
   */
  verifying: ReadonlyMap<string, VerifyingKey>
  /** RFC 7517: public halves only; the keys that sign come first, of them the default algorithm's. */
  jwks: { keys: JWK[] }
}

/** The key for tokens of a resource that chose `algorithm`: the default's until the first key of `algorithm` signs. */
export function signerFor (
  { signing, signers }: Pick<KeyRing, 'signing' | 'signers'>, algorithm: SigningAlgorithm
): OpenSigningKey {
  return signers.get(algorithm) ?? signing
}

/** The use of signing keys by resources: implemented by the port of resources. */
export interface KeyUse {
  /** Whether an active resource uses it. */
  usesAlgorithm (algorithm: SigningAlgorithm): Promise<boolean>
  /** In seconds, over all resources, past ones included. */
  longestTokenLifetime (): Promise<number>
}

/** The use of signing keys by ID tokens: implemented by the port of clients. */
export interface ClientKeyUse {
  /** Whether an active client has registered for ID tokens of this algorithm. */
  usesIdTokens (algorithm: SigningAlgorithm): Promise<boolean>
}

export interface KeyUsePort { resources: KeyUse, clients: ClientKeyUse }

/** What changes of signing keys read and write. */
export type SigningPorts = AuditPort & KeyUsePort & SigningKeyPort

/** The signing keys of a running server. */
export interface SigningKeys {
  /** The keys at `now`; absent: by the clock. The same object until something changes. */
  ring (now?: Date): KeyRing
  /**
   * Makes another key of the algorithm (absent: the default) that signs once it has been published for
   * `publicationTime`.
   * @throws Failure `conflict` if one is pending.
   */
  rotate (operation: Operation<SigningPorts>, algorithm?: SigningAlgorithm): Promise<SigningKey>
  /**
   * Makes a key of the algorithm if there is none. Every server knows it when this resolves. `atOnce`: it signs
   * immediately, as the first key of a deployment; else once it has been published for `publicationTime`.
   */
  provide (operation: Operation<SigningPorts>, algorithm: SigningAlgorithm, atOnce: boolean): Promise<void>
  /**
   * For an immediate rotation: the next key, which every server knows when this resolves. None signs with it before
   * `signAtOnce`, or its time. Two steps, each acknowledged by all servers: with one, a server could sign before others
   * know the key.
   */
  publishNext (operation: Operation<SigningPorts>, algorithm?: SigningAlgorithm): Promise<SigningKey>
  /**
   * Lets the key that `publishNext` returned sign.
   * @throws Failure `conflict` if it was revoked meanwhile.
   */
  signAtOnce (operation: Operation<SigningPorts>, kid: string): Promise<SigningKey>
  /**
   * Rotates each algorithm whose key is `days` old, unless one is pending; 0: never. An algorithm that neither a
   * resource nor a client uses any more loses its key; one that is used without a key gets one.
   */
  rotateWhenDue (operation: Operation<SigningPorts>, days: number): Promise<void>
  /** Revokes a key, and with it every token that it signed. If it is the one that signs, another signs first. */
  revoke (operation: Operation<SigningPorts>, kid: string, reason: string | null): Promise<SigningKey>
  /**
   * Reloads the keys after a change by any server.
   * @throws Failure `not_ready` where `openSigningKeys` throws ConfigurationError.
   */
  reload (): Promise<void>
  /**
   * Reloads the keys if the registry has others: another server has changed them. To be awaited before anything is
   * signed or published, and before a kid counts as unknown.
   */
  catchUp (): Awaitable<void>
}

/** Seconds for which clients may cache the published keys, and for which a new key is published before it signs. */
export const publicationTime = 300

import { generateKeyPairSync } from 'node:crypto'
import { calculateJwkThumbprint, importJWK, SignJWT, type CryptoKey, type JWK } from 'jose'
import type { Clock } from '../clock.ts'
import { ConfigurationError } from '../errors.ts'
import { seal, unseal } from '../secrets.ts'
import { auditEvent, systemActor } from './audit.ts'
import type { Store } from './store.ts'

/** A key that signs access tokens. Its private half is kept sealed under LATCHKEY_SECRET, with the kid as associated data. */
export interface SigningKey {
  /** The JWK's thumbprint (RFC 7638). */
  kid: string
  algorithm: 'ES256'
  /** Published, not signing → signing → published until the last token it signed is dead. */
  state: 'pending' | 'active' | 'retired'
  publicJwk: JWK
  sealedPrivateKey: string
  createdAt: Date
  activatedAt: Date | null
  retiredAt: Date | null
}

export interface SigningKeyRepository {
  insert (key: SigningKey): Promise<void>
  /** Oldest first. */
  all (): Promise<SigningKey[]>
}

/** A signing key with its private half open: only in memory, and only where tokens are signed. */
export interface OpenSigningKey { kid: string, algorithm: 'ES256', privateJwk: JWK }

/** The keys of this deployment as a running server holds them. */
export interface KeyRing {
  /** The key that signs now. */
  signing: OpenSigningKey
  /** What verifies, by kid: the signing key and every other that is published. */
  verifying: ReadonlyMap<string, CryptoKey>
  /** RFC 7517: public halves only, the signing key first. */
  jwks: { keys: JWK[] }
}

/**
 * Opens the deployment's signing keys, making the first one on an empty store.
 * @throws ConfigurationError when the keys were sealed under a secret that is not among `secrets`; never makes a new key then.
 */
export async function openKeyRing (store: Store, clock: Clock, secrets: readonly string[]): Promise<KeyRing> {
  if ((await store.signingKeys.all()).length === 0) await insertFirst(store, clock, secrets)
  const keys = (await store.signingKeys.all()).filter(key => key.state !== 'pending')
  // Oldest first: when two servers made a first key at once, both sign with the same one.
  const active = keys.find(key => key.state === 'active')
  if (active === undefined) throw new ConfigurationError(['the database has signing keys, but none is active'])
  const published = [active, ...keys.filter(key => key !== active)]
  return {
    signing: open(active, secrets),
    verifying: new Map(await Promise.all(published.map(async key => [key.kid, await importJWK(key.publicJwk, key.algorithm) as CryptoKey] as const))),
    jwks: { keys: published.map(key => key.publicJwk) },
  }
}

/** Signs claims as a JWT of the type `typ`. Access tokens are oidc-provider's to sign; everything else is signed here. */
export async function signJwt ({ kid, algorithm, privateJwk }: OpenSigningKey, typ: string, claims: object): Promise<string> {
  return await new SignJWT({ ...claims }).setProtectedHeader({ alg: algorithm, typ, kid }).sign(privateJwk)
}

async function insertFirst (store: Store, clock: Clock, secrets: readonly string[]): Promise<void> {
  const key = await newSigningKey(clock(), secrets[0]!)
  await store.transaction(async tx => {
    if ((await tx.signingKeys.all()).length > 0) return
    await tx.signingKeys.insert(key)
    await tx.audit.append(auditEvent(systemActor, key.createdAt, 'signing_key.created', { organizationId: null, subject: key.kid }))
  })
}

async function newSigningKey (now: Date, secret: string): Promise<SigningKey> {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = pair.publicKey.export({ format: 'jwk' }) as JWK
  const kid = await calculateJwkThumbprint(jwk)
  return {
    kid,
    algorithm: 'ES256',
    state: 'active',
    publicJwk: { ...jwk, kid, alg: 'ES256', use: 'sig' },
    sealedPrivateKey: seal(JSON.stringify(pair.privateKey.export({ format: 'jwk' })), secret, kid),
    createdAt: now,
    activatedAt: now,
    retiredAt: null,
  }
}

function open (key: SigningKey, secrets: readonly string[]): OpenSigningKey {
  const text = unseal(key.sealedPrivateKey, secrets, key.kid)
  if (text === null) {
    throw new ConfigurationError([`LATCHKEY_SECRET: the signing key ${key.kid} in the database was sealed under another secret; start with that one, or list it behind the new one`])
  }
  return { kid: key.kid, algorithm: key.algorithm, privateJwk: { ...JSON.parse(text) as JWK, kid: key.kid, alg: key.algorithm, use: 'sig' } }
}

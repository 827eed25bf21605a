import { generateKeyPairSync } from 'node:crypto'
import { calculateJwkThumbprint, importJWK, SignJWT, type CryptoKey, type JWK } from 'jose'
import { secondsAfter, type Clock } from '../clock.ts'
import { ConfigurationError, Failure } from '../errors.ts'
import { seal, unseal } from '../secrets.ts'
import { auditEvent, systemActor } from './audit.ts'
import type { Operation, Store } from './store.ts'

/**
 * A key that signs access tokens. Its private half is kept sealed under LATCHKEY_SECRET, with the kid as associated data.
 * What it is for follows from its times, so every server that knows them changes keys at the same instant.
 */
export interface SigningKey {
  /** The JWK's thumbprint (RFC 7638). */
  kid: string
  algorithm: 'ES256'
  publicJwk: JWK
  sealedPrivateKey: string
  createdAt: Date
  /** From then on it signs; may lie ahead. */
  activatedAt: Date
  /** From then on another one signs; may lie ahead. Null: no end is set. */
  retiredAt: Date | null
  /** When the last token that it signed is dead; null: no end is set. */
  publishedUntil: Date | null
}

/** Published, not signing → signing → published until the last token it signed is dead → of no use any more. */
export const signingKeyStates = ['pending', 'active', 'retired', 'gone'] as const
export type SigningKeyState = typeof signingKeyStates[number]

/** What a key is for at `now`. */
export function stateOfSigningKey ({ activatedAt, retiredAt, publishedUntil }: SigningKey, now: Date): SigningKeyState {
  if (publishedUntil !== null && publishedUntil <= now) return 'gone'
  if (retiredAt !== null && retiredAt <= now) return 'retired'
  return activatedAt <= now ? 'active' : 'pending'
}

export interface SigningKeyRepository {
  insert (key: SigningKey): Promise<void>
  /** Replaces its times. */
  update (key: SigningKey): Promise<void>
  remove (kid: string): Promise<void>
  /** Oldest first. */
  all (): Promise<SigningKey[]>
}

/** A signing key with its private half open: only in memory, and only where tokens are signed. */
export interface OpenSigningKey { kid: string, algorithm: 'ES256', privateJwk: JWK }

/** The keys of this deployment at one instant. */
export interface KeyRing {
  /** The key that signs now. */
  signing: OpenSigningKey
  /** What verifies, by kid: the signing key and every other that is published. */
  verifying: ReadonlyMap<string, CryptoKey>
  /** RFC 7517: public halves only, the signing key first. */
  jwks: { keys: JWK[] }
}

/** The signing keys as a running server holds them. */
export interface SigningKeys {
  /** The keys as they are now. The same object until something about them changes. */
  ring (): KeyRing
  /** Makes another key the one that signs: in time, or at once. Known to `ring` after `reload`. */
  rotate (operation: Operation, when: { now: boolean }): Promise<SigningKey>
  /** Reads them again: after a rotation, by whatever server. @throws ConfigurationError as `openSigningKeys`. */
  reload (): Promise<void>
}

/** How long anybody may keep the published keys in a cache, in seconds: so long a new key is published before it signs. */
export const publicationTime = 300

/** What clocks and requests under way may add to the life of a retired key's last token, in seconds. */
const leeway = 60

interface Loaded { key: SigningKey, open: OpenSigningKey, verifies: CryptoKey }

/**
 * Opens the deployment's signing keys, making the first one on an empty store.
 * @throws ConfigurationError when the keys were sealed under a secret that is not among `secrets`; never makes a new key then.
 */
export async function openSigningKeys (store: Store, clock: Clock, secrets: readonly string[]): Promise<SigningKeys> {
  if ((await store.signingKeys.all()).length === 0) await insertFirst(store, clock, secrets)
  let loaded = await load(store, clock, secrets)
  let current = ringAt(loaded, clock())
  return {
    ring () {
      const now = clock().getTime()
      if (now < current.from || now >= current.until) current = ringAt(loaded, new Date(now))
      return current.ring
    },
    rotate: async (operation, when) => await rotateSigningKey(operation, secrets, when),
    async reload () {
      loaded = await load(store, clock, secrets)
      current = ringAt(loaded, clock())
    },
  }
}

/** The keys of a store at this instant. */
export async function openKeyRing (store: Store, clock: Clock, secrets: readonly string[]): Promise<KeyRing> {
  return (await openSigningKeys(store, clock, secrets)).ring()
}

/** Signs claims as a JWT of the type `typ`. Access tokens are oidc-provider's to sign; everything else is signed here. */
export async function signJwt ({ kid, algorithm, privateJwk }: OpenSigningKey, typ: string, claims: object): Promise<string> {
  return await new SignJWT({ ...claims }).setProtectedHeader({ alg: algorithm, typ, kid }).sign(privateJwk)
}

/** Removes the keys of which no token is alive any more, their private halves with them; returns how many. */
export async function removeDeadSigningKeys ({ store, clock, actor }: Operation): Promise<number> {
  const now = clock()
  const dead = (await store.signingKeys.all()).filter(key => stateOfSigningKey(key, now) === 'gone')
  for (const { kid } of dead) {
    await store.transaction(async tx => {
      await tx.signingKeys.remove(kid)
      await tx.audit.append(auditEvent(actor, now, 'signing_key.removed', { organizationId: null, subject: kid }))
    })
  }
  return dead.length
}

/**
 * Makes a new key that signs once it has been published for `publicationTime`, or at once; a key that is pending already
 * is then taken instead. The one that signs now stays published until its last token is dead.
 * @throws Failure `conflict` when a key is pending and it is not to be at once.
 */
async function rotateSigningKey ({ store, clock, actor }: Operation, secrets: readonly string[], { now: atOnce }: { now: boolean }): Promise<SigningKey> {
  const now = clock()
  const made = await newSigningKey(now, secrets[0]!)
  return await store.transaction(async tx => {
    const keys = await tx.signingKeys.all()
    const signing = signingAt(keys, now)
    const pending = keys.find(key => key !== signing && stateOfSigningKey(key, now) === 'pending')
    if (pending !== undefined && !atOnce) throw new Failure('conflict', { message: `A signing key is pending and will sign from ${pending.activatedAt.toISOString()}; wait for it, or let it sign now.` })
    const next = { ...pending ?? made, activatedAt: atOnce ? now : secondsAfter(now, publicationTime) }
    if (pending === undefined) await tx.signingKeys.insert(next)
    else await tx.signingKeys.update(next)
    const publishedUntil = secondsAfter(next.activatedAt, await tx.resources.longestTokenLifetime() + publicationTime + leeway)
    if (signing !== undefined) await tx.signingKeys.update({ ...signing, retiredAt: next.activatedAt, publishedUntil })
    const detail = { activatedAt: next.activatedAt }
    await tx.audit.append(auditEvent(actor, now, 'signing_key.rotated', { organizationId: null, subject: next.kid, detail }))
    return next
  })
}

async function load (store: Store, clock: Clock, secrets: readonly string[]): Promise<Loaded[]> {
  const now = clock()
  const keys = (await store.signingKeys.all()).filter(key => stateOfSigningKey(key, now) !== 'gone')
  return await Promise.all(keys.map(async key => ({ key, open: open(key, secrets), verifies: await importJWK(key.publicJwk, key.algorithm) as CryptoKey })))
}

/** The ring at `now`, and from when until when it is that one, in milliseconds. */
function ringAt (loaded: readonly Loaded[], now: Date): { ring: KeyRing, from: number, until: number } {
  const published = loaded.filter(({ key }) => stateOfSigningKey(key, now) !== 'gone')
  const signing = signingAt(published.map(({ key }) => key), now)
  const active = published.find(({ key }) => key === signing)
  if (active === undefined) throw new ConfigurationError(['the database has signing keys, but none can sign any more'])
  const ordered = [active, ...published.filter(each => each !== active)]
  const turns = loaded.flatMap(({ key: { activatedAt, retiredAt, publishedUntil } }) => [activatedAt, retiredAt, publishedUntil]).flatMap(turn => turn?.getTime() ?? [])
  return {
    ring: {
      signing: active.open,
      verifying: new Map(ordered.map(({ key, verifies }) => [key.kid, verifies])),
      jwks: { keys: ordered.map(({ key }) => key.publicJwk) },
    },
    from: Math.max(-Infinity, ...turns.filter(turn => turn <= now.getTime())),
    until: Math.min(Infinity, ...turns.filter(turn => turn > now.getTime())),
  }
}

/**
 * The key that signs at `now`. Of several the oldest: when two servers made a first key at once, both sign with the same one.
 * A clock that was set back finds none that is active yet, and takes the oldest too.
 */
function signingAt (keys: readonly SigningKey[], now: Date): SigningKey | undefined {
  return keys.find(key => stateOfSigningKey(key, now) === 'active') ?? keys.find(key => stateOfSigningKey(key, now) !== 'gone')
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
    publicJwk: { ...jwk, kid, alg: 'ES256', use: 'sig' },
    sealedPrivateKey: seal(JSON.stringify(pair.privateKey.export({ format: 'jwk' })), secret, kid),
    createdAt: now,
    activatedAt: now,
    retiredAt: null,
    publishedUntil: null,
  }
}

function open (key: SigningKey, secrets: readonly string[]): OpenSigningKey {
  const text = unseal(key.sealedPrivateKey, secrets, key.kid)
  if (text === null) {
    throw new ConfigurationError([`LATCHKEY_SECRET: the signing key ${key.kid} in the database was sealed under another secret; start with that one, or list it behind the new one`])
  }
  return { kid: key.kid, algorithm: key.algorithm, privateJwk: { ...JSON.parse(text) as JWK, kid: key.kid, alg: key.algorithm, use: 'sig' } }
}

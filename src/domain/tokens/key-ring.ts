/** The signing keys in memory: unsealed once, reloaded after changes, switched by the clock. */
import type { SigningPorts } from './signing-key.ts'
import { importJWK, type CryptoKey, type JWK } from 'jose'
import type { Awaitable } from '../../base/awaitable.ts'
import type { Clock } from '../../base/clock.ts'
import { ConfigurationError, Failure } from '../../base/errors.ts'
import { serialReload } from '../../base/serial-reload.ts'
import { unseal } from '../../secrets/sealing.ts'
import { systemActor } from '../core/actor.ts'
import {
  makeFirstSigningKey,
  provideSigningKey,
  publishNextKey,
  rotateSigningKey,
  rotateWhenDue,
  signAtOnce
} from './signing-key-rotation.ts'
import { revokeSigningKey } from './signing-key-revocation.ts'
import {
  defaultAlgorithm,
  signingAlgorithms,
  signingAt,
  stateOfSigningKey,
  type KeyRing,
  type OpenSigningKey,
  type SigningKey,
  type SigningKeys
} from './signing-key.ts'
import type { Transactional } from '../core/operation.ts'

/**
 * A loaded key. `open` null: it signs nothing any more, because it was revoked, or is past its end and sealed under a
 * removed secret.
 */
interface Loaded { key: SigningKey, open: OpenSigningKey | null, verifies: CryptoKey }

/** The keys in the database, by kid. */
type Stored = ReadonlyMap<string, SigningKey>

/**
 * Opens the deployment's signing keys, and makes the first one in an empty store. `look` returns the keys as checks
 * see them: from the registry, if there is one.
 * @throws ConfigurationError for a key sealed under none of `secrets`; a new key is never made then.
 */
export async function openSigningKeys (
  store: Transactional<SigningPorts>,
  clock: Clock,
  secrets: readonly string[],
  look: () => Awaitable<Stored> = async () => byKid(await store.signingKeys.all())
): Promise<SigningKeys> {
  const system = { store, clock, actor: systemActor }
  if ((await store.signingKeys.all()).length === 0) await makeFirstSigningKey(system, secrets)
  let stored = byKid(await store.signingKeys.all())
  let loaded = await load(stored, clock, secrets)
  let current = ringAt(loaded, clock())
  /** The keys that were seen last and are loaded: a cache returns the same object until something changes. */
  let known: Stored = stored
  const ring = (at = clock()): KeyRing => {
    const now = at.getTime()
    if (now < current.from || now >= current.until) current = ringAt(loaded, at)
    return current.ring
  }
  const loadAgain = async (): Promise<void> => {
    const found = byKid(await store.signingKeys.all())
    const opened = await load(found, clock, secrets)
    current = ringAt(opened, clock())
    loaded = opened
    stored = found
  }
  const reload = serialReload(() => loadAgain().catch(notNow))
  const compare = (seen: Stored): Awaitable<void> => {
    if (seen !== known && !areSame(seen, stored)) return reload()
    known = seen
  }
  return {
    ring,
    reload,
    rotate: async (operation, algorithm) => await rotateSigningKey(operation, secrets, algorithm),
    provide: async (operation, algorithm, atOnce) => { await provideSigningKey(operation, secrets, algorithm, atOnce) },
    publishNext: async (operation, algorithm) => await publishNextKey(operation, secrets, algorithm),
    signAtOnce,
    rotateWhenDue: async (operation, days) => { await rotateWhenDue(operation, secrets, days) },
    revoke: async (operation, kid, reason) => await revokeSigningKey(operation, secrets, kid, reason),
    catchUp () {
      const seen = look()
      return seen instanceof Promise ? seen.then(compare) : compare(seen)
    },
  }
}

/**
 * An error that prevents a start makes a running server answer `not_ready` until it is fixed; other servers may be able
 * to answer.
 */
function notNow (error: unknown): never {
  if (error instanceof ConfigurationError) {
    throw new Failure('not_ready', { detail: error.problems.join('; '), cause: error })
  }
  throw error
}

function byKid (keys: readonly SigningKey[]): Stored {
  return new Map(keys.map(key => [key.kid, key]))
}

function areSame (one: Stored, other: Stored): boolean {
  return one.size === other.size &&
    [...one.values()].every(({ kid, revision }) => other.get(kid)?.revision === revision)
}

/** Includes keys past their end: the clock may be ahead. Their secret may be missing. */
async function load (stored: Stored, clock: Clock, secrets: readonly string[]): Promise<Loaded[]> {
  const now = clock()
  return await Promise.all([...stored.values()].map(async key => ({
    key,
    open: key.revokedAt === null ? open(key, secrets, now) : null,
    verifies: await importJWK(key.publicJwk, key.algorithm) as CryptoKey,
  })))
}

/** The ring at `now`, and the milliseconds from which until which it holds. */
function ringAt (loaded: readonly Loaded[], now: Date): { ring: KeyRing, from: number, until: number } {
  const alive = loaded.filter(({ key }) => stateOfSigningKey(key, now) !== 'gone')
  const active = signingAlgorithms.flatMap(algorithm => {
    const signing = signingAt(alive.map(({ key }) => key), now, algorithm)
    return alive.find(({ key }) => key === signing) ?? []
  })
  const signers = new Map(active.flatMap(({ open }) => open === null ? [] : [[open.algorithm, open]]))
  const signing = signers.get(defaultAlgorithm)
  if (signing === undefined) throw new ConfigurationError(['the database has signing keys, but none can sign'])
  const ordered = [...active, ...alive.filter(key => !active.includes(key))]
  const switches = loaded.flatMap((
    { key: { createdAt, activatedAt, retiredAt, publishedUntil } }
  ) => [createdAt, activatedAt, retiredAt, publishedUntil])
    .flatMap(switchAt => switchAt?.getTime() ?? [])
  return {
    ring: {
      signing,
      signers,
      verifying: new Map(
        ordered.map(({ key: { kid, algorithm }, verifies }) => [kid, { algorithm, publicKey: verifies }])
      ),
      jwks: { keys: ordered.filter(({ key }) => key.revokedAt === null).map(({ key }) => key.publicJwk) }
    },
    from: Math.max(-Infinity, ...switches.filter(switchAt => switchAt <= now.getTime())),
    until: Math.min(Infinity, ...switches.filter(switchAt => switchAt > now.getTime())),
  }
}

function open (key: SigningKey, secrets: readonly string[], now: Date): OpenSigningKey | null {
  const text = unseal(key.sealedPrivateKey, secrets, key.kid)
  if (text === null) {
    if (stateOfSigningKey(key, now) === 'gone') return null
    throw new ConfigurationError([
      `LATCHKEY_SECRET: the signing key ${key.kid} in the database was sealed under another secret; start with that ` +
        'one, or list it behind the new one'
    ])
  }
  return {
    kid: key.kid,
    algorithm: key.algorithm,
    privateJwk: { ...JSON.parse(text) as JWK, kid: key.kid, alg: key.algorithm, use: 'sig' }
  }
}

/** The life of signing keys: first key, rotation, succession and removal. Every step is audited. */
import {
  defaultAlgorithm, isProvided, publicationTime, signingAlgorithms, signingAt, stateOfSigningKey, type SigningPorts,
  type KeyUsePort, type SigningAlgorithm, type SigningKey, type SigningKeyPort
} from './signing-key.ts'
import { secondsAfter } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { auditEvent } from '../audit/event.ts'
import type { Operation } from '../core/operation.ts'
import { newSigningKey } from './signing-key-generation.ts'
import type { AuditPort } from '../audit/log.ts'
import { sessionLifetime } from './session-token.ts'

/** Seconds that clock differences and running requests may add to the life of a key's last token. */
const leeway = 60

/** Makes the first key in an empty store. Of several servers that start at once, one makes it. */
export async function makeFirstSigningKey (
  { store, clock, actor }: Operation<AuditPort & SigningKeyPort>, secrets: readonly string[]
): Promise<void> {
  const key = await newSigningKey(clock(), secrets[0]!)
  await store.transaction(async tx => {
    if ((await tx.signingKeys.all()).length > 0) return
    await tx.signingKeys.insert(key)
    await tx.audit.append(
      auditEvent(actor, key.createdAt, 'signing_key.created', { organizationId: null, subject: key.kid })
    )
  })
}

/**
 * Makes a key of an algorithm that has none. Runs a transaction even if one exists: another server may have made it a
 * moment ago, and every server knows it when this resolves.
 */
export async function provideSigningKey (
  operation: Operation<AuditPort & SigningKeyPort>,
  secrets: readonly string[],
  algorithm: SigningAlgorithm,
  atOnce: boolean
): Promise<void> {
  const { store, clock, actor } = operation
  const isThere = isProvided(await store.signingKeys.all(), clock(), algorithm)
  const made = isThere ? null : await newSigningKey(clock(), secrets[0]!, algorithm)
  const done = await store.transaction(async tx => {
    const now = clock()
    if (isProvided(await tx.signingKeys.all(), now, algorithm)) return true
    if (made === null) return false
    const key = { ...made, createdAt: now, activatedAt: atOnce ? now : secondsAfter(now, publicationTime) }
    await tx.signingKeys.insert(key)
    const detail = { algorithm, activatedAt: key.activatedAt }
    await tx.audit.append(
      auditEvent(actor, now, 'signing_key.created', { organizationId: null, subject: key.kid, detail })
    )
    return true
  })
  // The key existed, and was revoked before the transaction began.
  if (!done) await provideSigningKey(operation, secrets, algorithm, atOnce)
}

/**
 * Makes a key that signs once it has been published for `publicationTime`. The present key of its algorithm stays
 * published until its last token has expired.
 * @throws Failure `conflict` if a key is pending.
 */
export async function rotateSigningKey (
  operation: Operation<SigningPorts>, secrets: readonly string[], algorithm: SigningAlgorithm = defaultAlgorithm
): Promise<SigningKey> {
  const { store, clock } = operation
  const made = await newSigningKey(clock(), secrets[0]!, algorithm)
  return await store.transaction(async tx => {
    const now = clock()
    const keys = await tx.signingKeys.all()
    const pending = pendingAt(keys, now, algorithm)
    if (pending !== undefined) {
      throw new Failure('conflict', {
        message:
          `A signing key of ${algorithm} is pending and will sign from ${pending.activatedAt.toISOString()}; wait ` +
            'for it, or let it sign now.'
      })
    }
    return await handOver(tx, operation, { keys, made, now }, secondsAfter(now, publicationTime))
  })
}

/**
 * The first half of an immediate rotation: a key that every server knows when this resolves, and that none signs with
 * yet. Without the second half it signs in time. A pending key is taken if there is one.
 */
export async function publishNextKey (
  operation: Operation<SigningPorts>, secrets: readonly string[], algorithm: SigningAlgorithm = defaultAlgorithm
): Promise<SigningKey> {
  const { store, clock } = operation
  const made = await newSigningKey(clock(), secrets[0]!, algorithm)
  return await store.transaction(async tx => {
    const now = clock()
    const keys = await tx.signingKeys.all()
    return pendingAt(keys, now, algorithm) ??
      await handOver(tx, operation, { keys, made, now }, secondsAfter(now, publicationTime), 'signing_key.published')
  })
}

/**
 * The second half: the key that `publishNextKey` returned signs at once. A server that signs with it before another one
 * has applied this change does no harm: the other has the key already. A key that signs already stays as it is.
 * @throws Failure `conflict` if it was revoked meanwhile.
 */
export async function signAtOnce (operation: Operation<SigningPorts>, kid: string): Promise<SigningKey> {
  const { store, clock } = operation
  return await store.transaction(async tx => {
    const now = clock()
    const keys = await tx.signingKeys.all()
    const key = keys.find(candidate => candidate.kid === kid)
    if (key === undefined || key.revokedAt !== null) {
      throw new Failure('conflict', { message: 'The next signing key was revoked before it could sign; rotate again.' })
    }
    return pendingAt(keys, now, key.algorithm) === key
      ? await handOver(tx, operation, { keys, made: key, now }, now)
      : key
  })
}

/**
 * Rotates each algorithm whose key has signed for `days`, as `rotateSigningKey` does; 0: never. Of several servers one
 * makes the next key. If neither a resource nor a client uses the algorithm any more, the key retires without a
 * successor; if one uses it and no key signs, because it was revoked before it signed, a key is made.
 */
export async function rotateWhenDue (
  operation: Operation<SigningPorts>, secrets: readonly string[], days: number
): Promise<void> {
  for (const algorithm of signingAlgorithms) await rotateOneWhenDue(operation, secrets, days, algorithm)
}

async function rotateOneWhenDue (
  operation: Operation<SigningPorts>, secrets: readonly string[], days: number, algorithm: SigningAlgorithm
): Promise<void> {
  const { store, clock } = operation
  const keys = await store.signingKeys.all()
  const isMissing = !isProvided(keys, clock(), algorithm)
  if (!isMissing && !isDue(keys, days, clock(), algorithm)) return
  const isUsed = await isInUse(store, algorithm)
  if (isMissing) {
    if (isUsed) await provideSigningKey(operation, secrets, algorithm, false)
    return
  }
  const made = await newSigningKey(clock(), secrets[0]!, algorithm)
  await store.transaction(async tx => {
    const keys = await tx.signingKeys.all()
    const now = clock()
    if (!isDue(keys, days, now, algorithm)) return
    if (await isInUse(tx, algorithm)) {
      await handOver(tx, operation, { keys, made, now }, secondsAfter(now, publicationTime))
    } else await retire(tx, operation, signingAt(keys, now, algorithm)!, now)
  })
}

/** Whether tokens are signed by `algorithm`. */
async function isInUse ({ resources, clients }: KeyUsePort, algorithm: SigningAlgorithm): Promise<boolean> {
  return algorithm === defaultAlgorithm || await resources.usesAlgorithm(algorithm) ||
    await clients.usesIdTokens(algorithm)
}

/** Retires a key without a successor. */
async function retire (
  tx: SigningPorts, { actor }: Operation<SigningPorts>, key: SigningKey, now: Date
): Promise<void> {
  const publishedUntil = await endOfTokens(tx, now)
  await tx.signingKeys.update({ ...key, retiredAt: now, publishedUntil })
  const detail = { algorithm: key.algorithm, lastTokensUntil: publishedUntil }
  await tx.audit.append(
    auditEvent(actor, now, 'signing_key.retired', { organizationId: null, subject: key.kid, detail })
  )
}

export function keyNamed (keys: readonly SigningKey[], kid: string): SigningKey {
  const key = keys.find(candidate => candidate.kid === kid)
  if (key === undefined) throw noSuchKey(kid)
  return key
}

/**
 * Removes at most `limit` keys whose last token had expired by `since`, with their private halves; returns how many.
 */
export async function removeDeadSigningKeys (
  { store, clock, actor }: Operation<AuditPort & SigningKeyPort>, since: Date, limit: number
): Promise<number> {
  return await store.transaction(async tx => {
    const dead = (await tx.signingKeys.all()).filter(key => stateOfSigningKey(key, since) === 'gone').slice(0, limit)
    for (const { kid } of dead) {
      await tx.signingKeys.remove(kid)
      await tx.audit.append(auditEvent(actor, clock(), 'signing_key.removed', { organizationId: null, subject: kid }))
    }
    return dead.length
  })
}

export function noSuchKey (kid: string): Failure {
  return new Failure('not_found', { message: `There is no signing key ${JSON.stringify(kid.slice(0, 64))}.` })
}

/** The present keys, and one to use if none is pending. */
interface Succession { keys: readonly SigningKey[], made: SigningKey, now: Date }

/**
 * Lets the next key, the pending one or else `made`, sign from `at` on, and retires the present one of its algorithm
 * then.
 */
async function handOver (
  tx: SigningPorts,
  { actor }: Operation<SigningPorts>,
  { keys, made, now }: Succession,
  at: Date,
  type: 'signing_key.rotated' | 'signing_key.published' = 'signing_key.rotated'
): Promise<SigningKey> {
  const pending = pendingAt(keys, now, made.algorithm)
  const signing = signingAt(keys, now, made.algorithm)
  const next = pending === undefined
    ? { ...made, createdAt: now, activatedAt: at }
    : await tx.signingKeys.update({ ...pending, activatedAt: at })
  if (pending === undefined) await tx.signingKeys.insert(next)
  const detail = {
    algorithm: made.algorithm,
    activatedAt: at,
    succeeds: signing?.kid ?? null,
    lastTokensUntil: await endOfTokens(tx, at)
  }
  await tx.audit.append(auditEvent(actor, now, type, { organizationId: null, subject: next.kid, detail }))
  if (signing !== undefined) {
    await tx.signingKeys.update({ ...signing, retiredAt: at, publishedUntil: await endOfTokens(tx, at) })
  }
  return next
}

/** The time by which the last token of a key that signs until `at` has expired. */
export async function endOfTokens ({ resources }: Pick<KeyUsePort, 'resources'>, at: Date): Promise<Date> {
  return secondsAfter(at, Math.max(await resources.longestTokenLifetime(), sessionLifetime) + publicationTime + leeway)
}

function isDue (keys: readonly SigningKey[], days: number, now: Date, algorithm: SigningAlgorithm): boolean {
  const signing = signingAt(keys, now, algorithm)
  return days > 0 && signing !== undefined && pendingAt(keys, now, algorithm) === undefined &&
    secondsAfter(signing.activatedAt, days * 86_400) <= now
}

function pendingAt (keys: readonly SigningKey[], now: Date, algorithm: SigningAlgorithm): SigningKey | undefined {
  const signing = signingAt(keys, now, algorithm)
  return keys.find(key => key !== signing && key.algorithm === algorithm && stateOfSigningKey(key, now) === 'pending')
}

export function earlier (one: Date | null, other: Date): Date {
  return one !== null && one < other ? one : other
}

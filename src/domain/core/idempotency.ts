/**
 * Idempotent creation: the answer to a creation is kept, so that a retry gets it again
 * (draft-ietf-httpapi-idempotency-key-header). The answer is written in the transaction of the creation itself, so
 * neither exists without the other. It holds secrets that are shown once, so it is sealed under a key derived from both
 * LATCHKEY_SECRET and the Idempotency-Key, of which only a digest is stored.
 */
import { secondsAfter } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { digestOf } from '../../secrets/digest.ts'
import { seal, unseal } from '../../secrets/sealing.ts'
import type { Actor } from './actor.ts'
import type { Operation } from './operation.ts'
import type { Transactional } from './operation.ts'

/** Seconds for which an answer is kept. */
export const answerLifetime = 86_400

export interface RememberedAnswer {
  /** Digest of the actor's id and the Idempotency-Key. */
  id: string
  /** Digest of the request. */
  fingerprint: string
  sealedAnswer: string
  createdAt: Date
  expiresAt: Date
}

export interface RememberedAnswerRepository {
  /** @throws Failure `conflict` if the id exists. */
  insert (answer: RememberedAnswer): Promise<void>
  /** All or none. @throws Failure `conflict` if one of the ids exists. */
  insertAll (answers: readonly RememberedAnswer[]): Promise<void>
  get (id: string): Promise<RememberedAnswer | null>
  /** Those of these ids that exist. */
  list (ids: readonly string[]): Promise<RememberedAnswer[]>
  /** Deletes at most `limit` answers that expired by `before`; returns how many. */
  prune (before: Date, limit: number): Promise<number>
  remove (id: string): Promise<void>
  removeAll (ids: readonly string[]): Promise<void>
}

export interface RememberedAnswerPort { rememberedAnswers: RememberedAnswerRepository }

/** A creation that may be repeated: the key that its caller chose, and the request. */
export interface IdempotentRequest { key: string, request: unknown }

export interface Idempotency {
  /**
   * Returns the result of `make`, or its earlier result for the same actor, key and request. `make` does everything
   * through the operation that it receives, in one transaction, and may run again if the transaction does. Its result
   * is JSON. A failure is not kept. `prepare` makes what must exist before, and be known to every server: it runs
   * outside of that transaction, unless the answer is kept, and its result goes to `make`.
   * @throws Failure `idempotency_key_reused` for another request with the same key; `idempotency_in_progress` while
   * this process handles the same one. Among several processes one makes it, and the others wait for its answer.
   */
  run<T, P, Ports extends RememberedAnswerPort>(
    operation: Operation<Ports>,
    repeatable: IdempotentRequest,
    make: (operation: Operation<Ports>, prepared: P) => Promise<T>,
    prepare?: (operation: Operation<Ports>) => Promise<P>
  ): Promise<T>
}

export function idempotency (secrets: readonly string[]): Idempotency {
  const underWay = new Set<string>()
  return {
    async run (operation, { key, request }, make, prepare = async () => undefined as never) {
      const id = digestOf(JSON.stringify([operation.actor.id, key, ...vouched(operation.actor)]))
      if (underWay.has(id)) throw new Failure('idempotency_in_progress')
      underWay.add(id)
      try {
        const work = {
          id, fingerprint: digestOf(canonicalJson(request)), purpose: `idempotent answer v1 ${key}`, secrets
        }
        const known = await operation.store.rememberedAnswers.get(id)
        const isRemembered = known !== null && known.expiresAt > operation.clock()
        const prepared = isRemembered ? null : { value: await prepare(operation) }
        return await answerOnce(operation, work, async inside => {
          // The kept answer was removed by hand, or expired, between two reads.
          if (prepared === null) {
            throw new Failure('conflict', {
              message: 'The answer to this Idempotency-Key has just expired; send the request again.'
            })
          }
          return await make(inside, prepared.value)
        })
      } finally {
        underWay.delete(id)
      }
    },
  }
}

interface Work { id: string, fingerprint: string, purpose: string, secrets: readonly string[] }

/** Of servers that answer at once, one commits; the transactions of the others run again, and find its answer. */
async function answerOnce<T, Ports extends RememberedAnswerPort> (
  operation: Operation<Ports>, work: Work, make: (operation: Operation<Ports>) => Promise<T>
): Promise<T> {
  return await operation.store.transaction(async tx => {
    const now = operation.clock()
    const known = await tx.rememberedAnswers.get(work.id)
    if (known !== null && known.expiresAt > now) return recall<T>(known, work)
    if (known !== null) await tx.rememberedAnswers.remove(work.id)
    const answer = await make({ ...operation, store: within(tx) })
    await tx.rememberedAnswers.insert({
      id: work.id,
      fingerprint: work.fingerprint,
      sealedAnswer: seal(JSON.stringify(answer), work.secrets[0]!, work.id, work.purpose),
      createdAt: now,
      expiresAt: secondsAfter(now, answerLifetime)
    })
    return answer
  })
}

function recall<T> (known: RememberedAnswer, { id, fingerprint, purpose, secrets }: Work): T {
  if (known.fingerprint !== fingerprint) throw new Failure('idempotency_key_reused')
  const text = unseal(known.sealedAnswer, secrets, id, purpose)
  if (text === null) {
    throw new Failure('conflict', {
      message:
        'This was created before, but its answer is unreadable because LATCHKEY_SECRET has changed. Look for the ' +
          'created object, or use a new Idempotency-Key.'
    })
  }
  return JSON.parse(text) as T
}

/** A store whose transactions are parts of an open one. */
function within<Ports extends object> (tx: Ports): Transactional<Ports> {
  return { ...tx, transaction: async work => await work(tx) }
}

/** Equal text for equal values, whatever the order of members. */
export function canonicalJson (value: unknown): string {
  return JSON.stringify(
    value,
    (_name, part: unknown) =>
      typeof part === 'object' && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => one < other ? -1 : 1))
        : part
  ) ?? ''
}

/** A session that is vouched for gets no answer of one that is not: what the other made may last longer. */
function vouched ({ vouchedBy = null }: Actor): string[] {
  return vouchedBy === null ? [] : [vouchedBy]
}

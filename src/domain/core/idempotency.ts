/**
 * What was answered to a creation, remembered for who sends it again because the answer got lost
 * (draft-ietf-httpapi-idempotency-key-header). The answer is kept in the transaction of the creation itself, so there
 * is never one without the other; it holds secrets that are shown once, so it is kept sealed under a key that takes
 * both LATCHKEY_SECRET and the Idempotency-Key, of which only a digest is stored.
 */
import { secondsAfter } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { digestOf } from '../../secrets/digest.ts'
import { seal, unseal } from '../../secrets/sealing.ts'
import type { Operation } from './operation.ts'
import type { Transactional } from './operation.ts'

/** Seconds that an answer is remembered. */
export const answerLifetime = 86_400

export interface RememberedAnswer {
  /** Digest of who asked and of the Idempotency-Key. */
  id: string
  /** Digest of what was asked. */
  fingerprint: string
  sealedAnswer: string
  createdAt: Date
  expiresAt: Date
}

export interface RememberedAnswerRepository {
  /** @throws Failure `conflict` when there is one with this id. */
  insert (answer: RememberedAnswer): Promise<void>
  get (id: string): Promise<RememberedAnswer | null>
  /** Removes those that have expired by `before`, at most so many; returns how many. */
  prune (before: Date, limit: number): Promise<number>
  remove (id: string): Promise<void>
}

export interface RememberedAnswerPort { rememberedAnswers: RememberedAnswerRepository }

/** A creation that may be sent again: the key that its caller chose, and what it asks for. */
export interface IdempotentRequest { key: string, request: unknown }

export interface Idempotency {
  /**
   * Answers with what `make` makes, or with what it made when the same actor asked for the same with the same key
   * before.
   * `make` does everything through the operation it is given, in one transaction, and may be run again as the
   * transaction is. What it answers is JSON. A failure is not remembered. `prepare` is what has to be so before, and
   * known to every server: it is done outside of that transaction, unless the answer is remembered, and handed to
   * `make`.
   * @throws Failure `idempotency_key_reused` when something else was asked for; `idempotency_in_progress` while this
   * process is about it. Of several processes, one makes it and the others wait for its answer.
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
      const id = digestOf(JSON.stringify([operation.actor.id, key]))
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
          // It was removed by hand, or has ended, between two looks.
          if (prepared === null) {
            throw new Failure('conflict', {
              message: 'The answer to this Idempotency-Key has just been forgotten; send it again.'
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

async function answerOnce<T, Ports extends RememberedAnswerPort> (
  operation: Operation<Ports>, work: Work, make: (operation: Operation<Ports>) => Promise<T>
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    let taken = false
    try {
      return await operation.store.transaction(async tx => {
        taken = false
        const now = operation.clock()
        const known = await tx.rememberedAnswers.get(work.id)
        if (known !== null && known.expiresAt > now) return recall<T>(known, work)
        if (known !== null) await tx.rememberedAnswers.remove(work.id)
        const answer = await make({ ...operation, store: within(tx) })
        const sealedAnswer = seal(JSON.stringify(answer), work.secrets[0]!, work.id, work.purpose)
        await tx.rememberedAnswers.insert({
          id: work.id,
          fingerprint: work.fingerprint,
          sealedAnswer,
          createdAt: now,
          expiresAt: secondsAfter(now, answerLifetime)
        })
          .catch((error: unknown) => {
            taken = true
            throw error
          })
        return answer
      })
    } catch (error) {
      // Another process was quicker: what was made here is undone, and its answer is there by now.
      if (!taken || attempt > 1 || !(error instanceof Failure && error.code === 'conflict')) throw error
    }
  }
}

function recall<T> (known: RememberedAnswer, { id, fingerprint, purpose, secrets }: Work): T {
  if (known.fingerprint !== fingerprint) throw new Failure('idempotency_key_reused')
  const text = unseal(known.sealedAnswer, secrets, id, purpose)
  if (text === null) {
    throw new Failure('conflict', {
      message:
        'This was made before, but its answer cannot be read any more: LATCHKEY_SECRET was changed. Look for what ' +
          'was made, or use a new Idempotency-Key.'
    })
  }
  return JSON.parse(text) as T
}

/** A store whose transactions are parts of one that is open. */
function within<Ports extends object> (tx: Ports): Transactional<Ports> {
  return { ...tx, transaction: async work => await work(tx) }
}

/** The same text for the same value, whatever the order of its members. */
function canonicalJson (value: unknown): string {
  return JSON.stringify(
    value,
    (_name, part: unknown) =>
      typeof part === 'object' && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => one < other ? -1 : 1))
        : part
  ) ?? ''
}

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
import { within, type Operation } from './operation.ts'

/** Seconds for which an answer is kept, unless its caller asks for less. */
export const answerLifetime = 86_400

/** What stands in the place of an answer that is kept in a row of its own, or was forgotten. */
const elsewhere = ''

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

/**
 * A creation that may be repeated: the key that its caller chose, and the request. `lifetime`: seconds for which the
 * answer is kept; at most, and by default, `answerLifetime`. That the creation was made is known for `answerLifetime`.
 */
export interface IdempotentRequest { key: string, request: unknown, lifetime?: number }

export interface Idempotency {
  /**
   * Returns the result of `make`, or its earlier result for the same actor, key and request. `make` does everything
   * through the operation that it receives, in one transaction, and may run again if the transaction does. Its result
   * is JSON. A failure is not kept. `prepare` makes what must exist before, and be known to every server: it runs
   * outside of that transaction, unless the answer is kept, and its result goes to `make`.
   * @throws Failure `idempotency_key_reused` for another request with the same key; `idempotency_in_progress` while
   * this process handles the same one; `idempotency_answer_gone` for one whose answer was forgotten, or has outlived
   * its lifetime. Among several processes one makes it, and the others wait for its answer.
   */
  run<T, P, Ports extends RememberedAnswerPort>(
    operation: Operation<Ports>,
    repeatable: IdempotentRequest,
    make: (operation: Operation<Ports>, prepared: P) => Promise<T>,
    prepare?: (operation: Operation<Ports>) => Promise<P>
  ): Promise<T>
  /** Deletes the answer to what this actor made with the key, if there is one. What was made is not made again. */
  forget (operation: Operation<RememberedAnswerPort>, key: string): Promise<void>
}

export function idempotency (secrets: readonly string[]): Idempotency {
  const underWay = new Set<string>()
  return {
    async run (
      operation, { key, request, lifetime = answerLifetime }, make, prepare = async () => undefined as never
    ) {
      const id = idOf(operation.actor, key)
      if (underWay.has(id)) throw new Failure('idempotency_in_progress')
      underWay.add(id)
      try {
        const work = {
          id, fingerprint: digestOf(canonicalJson(request)), purpose: `idempotent answer v1 ${key}`, lifetime, secrets
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
    async forget ({ store, actor }, key) {
      const id = idOf(actor, key)
      await store.transaction(async ({ rememberedAnswers: table }) => {
        const known = await table.get(id)
        if (known === null) return
        await table.removeAll([id, rowOfAnswer(id)])
        await table.insert({ ...known, sealedAnswer: elsewhere })
      })
    }
  }
}

function idOf (actor: Actor, key: string): string {
  return digestOf(JSON.stringify([actor.id, key, ...vouched(actor)]))
}

/** The id of the row that holds the answer alone, where it is kept for less time than the fact that it was made. */
function rowOfAnswer (id: string): string {
  return digestOf(`answer to ${id}`)
}

interface Work { id: string, fingerprint: string, purpose: string, lifetime: number, secrets: readonly string[] }

/** Of servers that answer at once, one commits; the transactions of the others run again, and find its answer. */
async function answerOnce<T, Ports extends RememberedAnswerPort> (
  operation: Operation<Ports>, work: Work, make: (operation: Operation<Ports>) => Promise<T>
): Promise<T> {
  return await operation.store.transaction(async tx => {
    const now = operation.clock()
    const known = await tx.rememberedAnswers.get(work.id)
    if (known !== null && known.expiresAt > now) return await recall<T>(tx, known, work, now)
    if (known !== null) await tx.rememberedAnswers.removeAll([work.id, rowOfAnswer(work.id)])
    const answer = await make({ ...operation, store: within(tx) })
    await tx.rememberedAnswers.insertAll(rowsOf(work, answer, now))
    return answer
  })
}

/** One row, or two where the answer is kept for less time than the fact that it was made. */
function rowsOf (
  { id, fingerprint, purpose, lifetime, secrets }: Work, answer: unknown, now: Date
): RememberedAnswer[] {
  const sealedAnswer = seal(JSON.stringify(answer), secrets[0]!, id, purpose)
  const made = { id, fingerprint, sealedAnswer, createdAt: now, expiresAt: secondsAfter(now, answerLifetime) }
  if (lifetime >= answerLifetime) return [made]
  const answered = { ...made, id: rowOfAnswer(id), expiresAt: secondsAfter(now, lifetime) }
  return [{ ...made, sealedAnswer: elsewhere }, answered]
}

async function recall<T> (
  { rememberedAnswers: table }: RememberedAnswerPort,
  known: RememberedAnswer,
  { id, fingerprint, purpose, secrets }: Work,
  now: Date
): Promise<T> {
  if (known.fingerprint !== fingerprint) throw new Failure('idempotency_key_reused')
  const row = known.sealedAnswer === elsewhere ? await table.get(rowOfAnswer(id)) : known
  if (row === null || row.expiresAt <= now) throw new Failure('idempotency_answer_gone')
  const text = unseal(row.sealedAnswer, secrets, id, purpose)
  if (text === null) {
    throw new Failure('conflict', {
      message:
        'This was created before, but its answer is unreadable because LATCHKEY_SECRET has changed. Look for the ' +
          'created object, or use a new Idempotency-Key.'
    })
  }
  return JSON.parse(text) as T
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

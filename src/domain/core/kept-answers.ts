/**
 * Answers that are kept for some minutes, to work that cannot be part of one transaction: it takes credits and counts
 * calls. Its key is claimed in the database before it begins, so that it is done once by all servers together; a
 * creation is made in one transaction with its answer instead (idempotency.ts). Answers are sealed under a key derived
 * from both LATCHKEY_SECRET and the caller's key, of which only a digest is stored.
 */
import { secondsAfter, type Clock } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { digestOf } from '../../secrets/digest.ts'
import { seal, unseal } from '../../secrets/sealing.ts'
import { canonicalJson, type RememberedAnswer, type RememberedAnswerPort } from './idempotency.ts'
import type { Transactional } from './operation.ts'

/** Seconds for which an answer is kept. */
export const keptFor = 600

/** What stands in the place of an answer that is not made yet. */
const underWay = ''

/** Work that may be repeated. `key`: with all that it is scoped to. `request`: what has to be the same each time. */
export interface Repeatable { key: string, request: unknown }

export interface KeptAnswers {
  /**
   * Claims what is not answered yet: all of it or none. Returns the kept answer to each; null: it is to be made now,
   * and then kept or released. A claim that is neither, because its server ended, stays for `keptFor` seconds: what it
   * took is not known. @throws Failure `idempotency_key_reused` for another request with the same key,
   * `idempotency_in_progress` while any server makes the same answer.
   */
  claim (work: readonly Repeatable[]): Promise<(string | null)[]>
  /** Keeps the answers to claimed work. */
  keep (answers: readonly { work: Repeatable, answer: string }[]): Promise<void>
  /** Gives up claims of work that took nothing, so that it can be done anew. */
  release (work: readonly Repeatable[]): Promise<void>
}

/** `secrets`: LATCHKEY_SECRET, newest first. */
export function keptAnswers (
  store: Transactional<RememberedAnswerPort>, clock: Clock, secrets: readonly string[]
): KeptAnswers {
  const row = ({ key, request }: Repeatable, answer: string): RememberedAnswer => {
    const [id, now] = [idOf(key), clock()]
    return {
      id,
      fingerprint: digestOf(canonicalJson(request)),
      sealedAnswer: answer === underWay ? underWay : seal(answer, secrets[0]!, id, purposeOf(key)),
      createdAt: now,
      expiresAt: secondsAfter(now, keptFor)
    }
  }
  const claimOnce = async (work: readonly Repeatable[]): Promise<(string | null)[]> =>
    await store.transaction(async ({ rememberedAnswers: table }) => {
      const claims = work.map(each => row(each, underWay))
      const stored = await table.list(claims.map(({ id }) => id))
      const known = new Map(stored.filter(({ expiresAt }) => expiresAt > clock()).map(each => [each.id, each]))
      const answers = claims.map(({ id, fingerprint }, i) => recall(known.get(id), fingerprint, work[i]!, secrets))
      const expired = stored.filter(({ id }) => !known.has(id))
      if (expired.length > 0) await table.removeAll(expired.map(({ id }) => id))
      const free = claims.filter(({ id }) => !known.has(id))
      if (free.length > 0) await table.insertAll(free)
      return answers
    })
  return {
    async claim (work) {
      try {
        return await claimOnce(work)
      } catch (error) {
        // Another server was faster with one of them: its claim is there by now.
        if (!(error instanceof Failure && error.code === 'conflict')) throw error
        return await claimOnce(work)
      }
    },
    async keep (answers) {
      await store.transaction(async ({ rememberedAnswers: table }) => {
        const rows = answers.map(({ work, answer }) => row(work, answer))
        await table.removeAll(rows.map(({ id }) => id))
        await table.insertAll(rows)
      })
    },
    async release (work) {
      await store.rememberedAnswers.removeAll(work.map(({ key }) => idOf(key)))
    }
  }
}

function idOf (key: string): string {
  return digestOf(`kept answer v1 ${key}`)
}

function purposeOf (key: string): string {
  return `kept answer v1 ${key}`
}

/** The answer in a row; null: there is none. */
function recall (
  known: RememberedAnswer | undefined, fingerprint: string, { key }: Repeatable, secrets: readonly string[]
): string | null {
  if (known === undefined) return null
  if (known.fingerprint !== fingerprint) throw new Failure('idempotency_key_reused')
  if (known.sealedAnswer === underWay) throw new Failure('idempotency_in_progress')
  const answer = unseal(known.sealedAnswer, secrets, known.id, purposeOf(key))
  if (answer === null) {
    throw new Failure('idempotency_key_reused', {
      message: 'This was answered before, but the answer is unreadable because LATCHKEY_SECRET has changed; use a ' +
        'new Idempotency-Key.'
    })
  }
  return answer
}

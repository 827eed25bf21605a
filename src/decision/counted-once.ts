/** The verdicts on all questions of a call. A question that may be repeated is judged and counted once. */
import type { Awaitable } from '../base/awaitable.ts'
import { canonicalJson } from '../domain/core/idempotency.ts'
import type { KeptAnswers, Repeatable } from '../domain/core/kept-answers.ts'
import { digestOf } from '../secrets/digest.ts'
import type { AskedQuestion } from './question.ts'
import { keptVerdict, verdict, type Asking, type Verdict } from './verdict.ts'
import type { QuestionBody } from './verify-schema.ts'

/**
 * The verdicts as JSON, in the order of the questions. `idempotencyKey`: of the whole call; null: the ids of its items
 * count, where they have one. In memory, and where nothing may be repeated, without a promise. @throws Failure
 * `idempotency_in_progress`, `idempotency_key_reused`, and then nothing of the call is counted.
 */
export function countedOnce (
  kept: KeptAnswers, asking: Asking, asked: readonly AskedQuestion[], idempotencyKey: string | null
): Awaitable<string[]> {
  const repeatable = idempotencyKey === null
    ? asked.map(({ body }) => byItsId(asking, body))
    : partsOf(asking, idempotencyKey, asked)
  if (repeatable.some(each => each !== null)) return fromKept(kept, asking, asked, repeatable)
  const verdicts = asked.map(({ question }) => verdict(asking, question))
  return verdicts.some(each => each instanceof Promise)
    ? inJson(asked, Promise.all(verdicts))
    : (verdicts as Verdict[]).map((each, i) => labelled(asked[i]!, each))
}

async function inJson (asked: readonly AskedQuestion[], verdicts: Promise<Verdict[]>): Promise<string[]> {
  return (await verdicts).map((each, i) => labelled(asked[i]!, each))
}

/** An item gets its id back. */
function labelled ({ body: { id } }: AskedQuestion, { json }: Verdict): string {
  return id === undefined ? json : `{"id":${JSON.stringify(id)},${json.slice(1)}`
}

/** Scoped to the client. Null: counted each time. */
function byItsId ({ client }: Asking, body: QuestionBody): Repeatable | null {
  return body.id === undefined ? null : { key: JSON.stringify(['verify', client.id, body.id]), request: body }
}

/** Each question of a call, scoped to the client and the key of the call, which has to be the same as a whole. */
function partsOf ({ client }: Asking, idempotencyKey: string, asked: readonly AskedQuestion[]): Repeatable[] {
  const request = digestOf(canonicalJson(asked.map(({ body }) => body)))
  return asked.map((_, i) => ({ key: JSON.stringify(['verify', client.id, idempotencyKey, i]), request }))
}

async function fromKept (
  kept: KeptAnswers, asking: Asking, asked: readonly AskedQuestion[], repeatable: readonly (Repeatable | null)[]
): Promise<string[]> {
  const known = new Map<Repeatable, string | null>()
  const work = repeatable.filter(each => each !== null)
  const answers = await kept.claim(work)
  work.forEach((each, i) => { known.set(each, answers[i]!) })
  const verdicts = await Promise.all(asked.map(async ({ question }, i) => {
    const answer = repeatable[i] === null ? null : known.get(repeatable[i]!) ?? null
    return answer === null
      ? await verdict(asking, question)
      : await keptVerdict(asking, question, JSON.parse(answer) as Verdict)
  }))
  const made = work.filter((_, i) => answers[i] === null)
    .map(each => ({ work: each, verdict: verdicts[repeatable.indexOf(each)]! }))
  await settle(kept, asking, made)
  return verdicts.map((each, i) => labelled(asked[i]!, each))
}

/** Keeps what was decided, and releases what could not be. */
async function settle (
  kept: KeptAnswers, { request }: Asking, made: readonly { work: Repeatable, verdict: Verdict }[]
): Promise<void> {
  const [failed, decided] = [made.filter(each => each.verdict.isFailure), made.filter(each => !each.verdict.isFailure)]
  try {
    if (decided.length > 0) {
      await kept.keep(decided.map(({ work, verdict }) => ({ work, answer: JSON.stringify(verdict) })))
    }
    if (failed.length > 0) await kept.release(failed.map(({ work }) => work))
  } catch (error) {
    // What was counted is answered. Its claim stays, so that a repetition is refused and not counted again.
    request.log.error({ err: error }, 'a verdict could not be kept')
  }
}

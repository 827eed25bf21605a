/** A request to an API that a remote guard protects, what it needs, and the decision on it, in any framework. */
import type { Awaitable } from '../../base/awaitable.ts'
import type { Requirements } from '../../domain/access/judge.ts'
import type { Principal, Refusal } from '../../domain/access/principal.ts'
import type { Style } from '../../domain/resources/style.ts'
import type { CredentialSource } from '../presentation.ts'
import type { ReadyAnswer } from '../refusal/ready-answer.ts'

/** A request to a guarded API, whatever framework it arrived in. */
export interface GuardedRequest extends CredentialSource {
  method: string
  /** The path without its query. */
  path: string
  /** The caller's, as seen through trusted proxies. */
  readonly address: string
  /** Whether it came over TLS, as far as trusted proxies say. */
  readonly isOverTls: boolean
  /** By which answers to it are found in logs; absent: an answer gets one of its own. */
  readonly id?: string
}

/** What a request needs of its credential, the ids of its path included. */
export interface Needs extends Requirements { organizationId: string | null, objectId: string | null }

/** `headers`: for the answer of the API; `style`: that of its resource, by which the answer is kept apart in caches. */
export type Decision =
  | { ok: true, principal: Principal, headers: Readonly<Record<string, string>>, style: Style }
  | { ok: false, answer: ReadyAnswer, refusal: Refusal | null }

/** What decides. By its form alone, so that the entries of a package with their own declarations fit together. */
export interface Decider { decide (request: GuardedRequest, needs: Needs): Awaitable<Decision> }

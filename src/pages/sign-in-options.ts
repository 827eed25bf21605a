/** What the pages around signing in need of the server. */
import type { PersonAuthenticator } from '../domain/access/checks/check-person-session.ts'
import type { RefusalLog } from '../domain/audit/refusal-log.ts'
import type { SharedCounters } from '../domain/metering/shared-counters.ts'
import type { WindowLimiter } from '../domain/metering/window-limiter.ts'
import type { SessionLifetimes } from '../domain/people/session-lifetime.ts'
import type { Registry } from '../domain/access/registry.ts'
import type { Store } from '../domain/store.ts'
import type { Interactions } from '../protocol/authorization/interactions.ts'
import type { UpstreamSignIn } from '../protocol/upstream/begin-sign-in.ts'

export interface SignInOptions extends UpstreamSignIn {
  store: Store
  registry: Registry
  /** Authorization requests that wait for a person. */
  interactions: Interactions
  people: PersonAuthenticator
  lifetimes: SessionLifetimes
  refusals: RefusalLog
  /** LATCHKEY_SECRET, newest first: for the challenges of passkeys. */
  secrets: readonly string[]
  /** Failed links and passkeys, by address. */
  linkFailures: WindowLimiter
}

/** `counts`: shares failures by address between servers. */
export interface SignInPagesOptions extends Omit<SignInOptions, 'linkFailures'> {
  counts: SharedCounters
}

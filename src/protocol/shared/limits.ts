import type { WindowLimit } from '../../domain/metering/window-limiter.ts'

/** What is taken before the answer is 429; what other servers took is counted half a second later. */
export interface ProtocolLimits {
  /** Failed authentications of one client from one address: further attempts are refused unread. */
  failuresPerClient: WindowLimit
  /**
   * Failed authentications from one address, whoever it claims to be: further failures say so; who proves itself
   * passes.
   */
  failuresPerAddress: WindowLimit
  /** Clients that one address may register without a registration token. */
  registrationsPerAddress: WindowLimit
  /** Clients that may be registered without a registration token by everybody together. */
  registrations: WindowLimit
  /** Changes that one registered client may make to what describes it (RFC 7592). */
  changesPerClient: WindowLimit
  /** Changes that change nothing, by one registered client: the other servers have to hear of them all the same. */
  repeatsPerClient: WindowLimit
}

const hour = 3_600

export const defaultLimits: ProtocolLimits = {
  failuresPerClient: { max: 30, windowSeconds: 60 },
  failuresPerAddress: { max: 300, windowSeconds: 60 },
  registrationsPerAddress: { max: 20, windowSeconds: hour },
  registrations: { max: 1_000, windowSeconds: hour },
  changesPerClient: { max: 60, windowSeconds: hour },
  repeatsPerClient: { max: 60, windowSeconds: hour },
}

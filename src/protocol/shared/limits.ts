/** Rate limits of the authorization server against guessing and flooding. */
import type { WindowLimit } from '../../domain/metering/window-limiter.ts'

/** How many are allowed before the answer is 429. Counts of other servers arrive half a second later. */
export interface ProtocolLimits {
  /**
   * Failed authentications of one client from one address: further failures get 429, and assertions are refused without
   * a check, which costs a signature. A right secret passes: no guess finds one of 256 bits, and a stale copy of the
   * client must not keep out the others behind its address.
   */
  failuresPerClient: WindowLimit
  /** Failed authentications of all clients from one address: further failures get 429, successes pass. */
  failuresPerAddress: WindowLimit
  /** Authorization requests from one address: each may be kept until a person has answered. */
  requestsPerAddress: WindowLimit
  /** Clients that one address may register without a registration token. */
  registrationsPerAddress: WindowLimit
  /** Clients that all addresses together may register without a registration token. */
  registrations: WindowLimit
  /** Changes that one registered client may make to its metadata (RFC 7592). */
  changesPerClient: WindowLimit
  /** Replacements by the same metadata, by one registered client: each is a feed entry for the other servers. */
  repeatsPerClient: WindowLimit
}

/** Longest `scope` in characters: it is parsed before it is ignored (SECURITY T13). */
export const longestScope = 4_096

const hour = 3_600

export const defaultLimits: ProtocolLimits = {
  failuresPerClient: { max: 30, windowSeconds: 60 },
  failuresPerAddress: { max: 300, windowSeconds: 60 },
  requestsPerAddress: { max: 300, windowSeconds: 60 },
  registrationsPerAddress: { max: 20, windowSeconds: hour },
  registrations: { max: 1_000, windowSeconds: hour },
  changesPerClient: { max: 60, windowSeconds: hour },
  repeatsPerClient: { max: 60, windowSeconds: hour },
}

/** How many unknown documents are fetched: for one address, from one host, from one server, and in all. */
import { addressBlock } from '../base/ip-address.ts'
import type { Clock } from '../base/clock.ts'
import type { SharedCounters } from '../domain/metering/shared-counters.ts'
import { windowLimiter, type WindowLimit } from '../domain/metering/window-limiter.ts'
import { DocumentFailure } from './document-failure.ts'

export interface FetchLimits {
  /** Asked for by one address. */
  perAsker: WindowLimit
  /** Of one host name: what strangers can make this server do to that host. */
  perHost: WindowLimit
  /** Connections to one address, by whatever names: a stranger can name one server in many ways. */
  perServer: WindowLimit
  all: WindowLimit
  /** Fetches at one time. */
  atOnce: number
}

export const defaultFetchLimits: FetchLimits = {
  perAsker: { max: 10, windowSeconds: 60 },
  perHost: { max: 20, windowSeconds: 60 },
  perServer: { max: 60, windowSeconds: 60 },
  all: { max: 300, windowSeconds: 60 },
  atOnce: 50,
}

export interface FetchBudget {
  readonly atOnce: number
  /** Takes one fetch. @throws DocumentFailure `busy` when one of the bounds is reached; then nothing is taken. */
  take (host: string, askedBy: string): void
  /** Takes one connection to each of these addresses; false: the bound of one of them is reached. */
  admits (addresses: readonly string[]): boolean
}

export function fetchBudget (clock: Clock, counts: SharedCounters, limits: FetchLimits): FetchBudget {
  const limiter = (limit: WindowLimit, name: string) => windowLimiter(limit, clock, counts.of(`documents ${name}`))
  const perAsker = limiter(limits.perAsker, 'of an asker')
  const perHost = limiter(limits.perHost, 'of a host')
  const perServer = limiter(limits.perServer, 'of a server')
  const all = limiter(limits.all, 'in all')
  return {
    atOnce: limits.atOnce,
    take (host, askedBy) {
      const asker = addressBlock(askedBy)
      const seconds = perAsker.exhausted(asker) ?? perHost.exhausted(host) ?? all.exhausted('all')
      if (seconds !== null) throw busy(seconds)
      perAsker.count(asker)
      perHost.count(host)
      all.count('all')
    },
    admits (addresses) {
      const blocks = [...new Set(addresses.map(addressBlock))]
      if (blocks.some(block => perServer.exhausted(block) !== null)) return false
      blocks.forEach(block => { perServer.count(block) })
      return true
    },
  }
}

export function busy (seconds: number): DocumentFailure {
  return new DocumentFailure('busy', 'is not fetched now: too many documents were', { retryAfter: seconds })
}

/**
 * Metrics of one server, as plain numbers. Labels come from closed sets (reasons, operations, route patterns), never
 * from a request; a mistake there would cost memory, so the number of labels is bounded.
 */

/** The most label sets of one metric; further ones are counted as `other`. */
const mostLabels = 500

const other = 'other'

/** Counts by one or two labels. */
export class Counter {
  readonly #counts = new Map<string, Map<string, number>>()
  #labels = 0

  increment (label: string, second = '', n = 1): void {
    const counts = this.#counts.get(label)
    const before = counts?.get(second)
    if (counts !== undefined && before !== undefined) counts.set(second, before + n)
    else this.#begin(label, second, n)
  }

  entries (): [label: string, second: string, count: number][] {
    return [...this.#counts].flatMap(([label, counts]) =>
      Array.from(counts, ([second, count]): [string, string, number] => [label, second, count])
    )
  }

  get total (): number {
    return this.entries().reduce((sum, [, , count]) => sum + count, 0)
  }

  #begin (label: string, second: string, n: number): void {
    if (this.#labels >= mostLabels && label !== other) {
      this.increment(other, '', n)
      return
    }
    this.#labels++
    const counts = this.#counts.get(label) ?? new Map<string, number>()
    this.#counts.set(label, counts.set(second, n))
  }
}

/** Upper bounds of the buckets of every histogram, in seconds. */
export const durationBuckets: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

/** A histogram of durations. */
export class Histogram {
  /** Observations by bucket, not cumulative; the last bucket is above all bounds. */
  readonly counts: number[] = Array.from({ length: durationBuckets.length + 1 }, () => 0)
  count = 0
  /** Seconds. */
  sum = 0

  observe (seconds: number): void {
    let bucket = 0
    while (bucket < durationBuckets.length && seconds > durationBuckets[bucket]!) bucket++
    this.counts[bucket]!++
    this.count++
    this.sum += seconds
  }
}

/** Histograms of durations by up to three labels. */
export class HistogramVec {
  readonly #durations = new Map<string, Map<string, Map<string, Histogram>>>()
  #labels = 0

  observe (seconds: number, label: string, second = '', third = ''): void {
    (this.#durations.get(label)?.get(second)?.get(third) ?? this.#begin(label, second, third)).observe(seconds)
  }

  entries (): [label: string, second: string, third: string, durations: Histogram][] {
    return [...this.#durations].flatMap(([label, seconds]) =>
      [...seconds].flatMap(([second, thirds]) =>
        Array.from(
          thirds, ([third, durations]): [string, string, string, Histogram] => [label, second, third, durations]
        )
      )
    )
  }

  #begin (label: string, second: string, third: string): Histogram {
    if (this.#labels >= mostLabels && label !== other) {
      return this.#durations.get(other)?.get('')?.get('') ?? this.#begin(other, '', '')
    }
    this.#labels++
    const seconds = this.#durations.get(label) ?? new Map<string, Map<string, Histogram>>()
    const thirds = seconds.get(second) ?? new Map<string, Histogram>()
    const durations = new Histogram()
    this.#durations.set(label, seconds.set(second, thirds.set(third, durations)))
    return durations
  }
}

/** All metrics of one server. */
export interface Metrics {
  /** By route pattern, method and class of status: '2xx'. */
  requests: HistogramVec
  /** Requests in flight. */
  requestsInFlight: number
  /** Requests rejected unread, by the code of the failure. */
  turnedAway: Counter
  /** Verdicts of the guard, `admitted` or the reason for the refusal, by kind of credential. */
  verdicts: Counter
  /** Calls of gateways about spending, by outcome. */
  spending: Counter
  /** Issued tokens by grant type. */
  tokens: Counter
  /** Assertions of workloads and of ID-JAG: `taken`, or the reason for the refusal, by profile of their issuer. */
  assertions: Counter
  /** Fetches of the keys of trusted issuers, by outcome. */
  issuerKeyFetches: Counter
  /** Questions to clusters about tokens, by outcome. */
  tokenReviews: Counter
  /** Look-ups of checks that the cache answered, and that needed the database. */
  registry: { hits: number, misses: number }
  /** Statements by operation. */
  statements: HistogramVec
  /** Transactions by outcome: `committed`, `rolled_back`. */
  transactions: HistogramVec
  /** Open transactions. */
  openTransactions: number
  /** How often a transaction was retried after a conflict. */
  transactionRetries: number
  /**
   * How long changes waited for other servers, by outcome: there was none (`alone`), all applied the change
   * (`applied`), the lease ended (`lapsed`).
   */
  acknowledgements: HistogramVec
  /** Entries of the change feed that this server had read and the database has lost. */
  lostChanges: number
  /** How often the database had another history, and no remembered entry to compare it with. */
  maybeLostChanges: number
  /** Standbys of the database, and whether commits wait for one; null: not known yet, or none are possible. */
  replication: { standbys: number, synchronous: boolean } | null
  /** Polls of the change feed: `answered`, or `failed`, after which the server joins again. */
  polls: Counter
  /** Failed statements and transactions by the code of the failure; `defect` if it has none. */
  databaseErrors: Counter
  /** Failures of background jobs, by job. */
  jobFailures: Counter
  /** Uncaught errors, in a process that survives them. */
  uncaught: number
  /** Entries counted in memory that could not be written before the end, by job. */
  lost: Counter
  /** Expired rows that were deleted, by kind. */
  pruned: Counter
  /** When housekeeping last succeeded, in milliseconds since the epoch; null: not yet. */
  prunedAt: number | null
}

export function newMetrics (): Metrics {
  return {
    requests: new HistogramVec(),
    requestsInFlight: 0,
    turnedAway: new Counter(),
    verdicts: new Counter(),
    spending: new Counter(),
    tokens: new Counter(),
    assertions: new Counter(),
    issuerKeyFetches: new Counter(),
    tokenReviews: new Counter(),
    registry: { hits: 0, misses: 0 },
    statements: new HistogramVec(),
    transactions: new HistogramVec(),
    openTransactions: 0,
    transactionRetries: 0,
    acknowledgements: new HistogramVec(),
    lostChanges: 0,
    maybeLostChanges: 0,
    replication: null,
    polls: new Counter(),
    databaseErrors: new Counter(),
    jobFailures: new Counter(),
    uncaught: 0,
    lost: new Counter(),
    pruned: new Counter(),
    prunedAt: null,
  }
}

/**
 * What a server counts about itself: plain numbers that are added to where something happens, and read when somebody
 * looks. Labels come from closed sets (reasons, operations, route patterns), never from what a caller sent; a mistake
 * in that would cost memory, so every table ends after a fixed number of labels.
 */

/** How many labels a table tells apart; what comes after them is counted as `other`. */
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

  /** Every count so far. */
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

/** Upper bounds of the buckets of all durations, in seconds. */
export const durationBuckets: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

/** How long something took, again and again. */
export class Histogram {
  /** How many fell into each bucket and into none before it; the last is for what took longer than all bounds. */
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

/** Durations by up to three labels. */
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

/** Everything that one server counts. */
export interface Metrics {
  /** By route pattern, method and class of status: '2xx'. */
  requests: HistogramVec
  /** Requests that are being answered. */
  requestsInFlight: number
  /** Requests that were turned away unread, by the code of the failure. */
  turnedAway: Counter
  /** What the guard said, `admitted` or the reason against, and the kind of credential. */
  verdicts: Counter
  /** Tokens that were issued, by grant type. */
  tokens: Counter
  /** Checks that memory could answer, and those for which the database was asked. */
  registry: { hits: number, misses: number }
  /** Statements by operation. */
  statements: HistogramVec
  /** Transactions by how they ended: `committed`, `rolled_back`. */
  transactions: HistogramVec
  /** Transactions that are open now. */
  openTransactions: number
  /** Times that a transaction ran again because another was in its way. */
  transactionRetries: number
  /**
   * Changes by how long they were held back for other servers, and why no longer: nobody was there (`alone`), all had
   * them (`applied`), the lease was over (`lapsed`).
   */
  acknowledgements: HistogramVec
  /** Entries of the change feed that this server knew and that the database has lost. */
  lostChanges: number
  /** Times that a database was found to have another history, which nothing remembered could be compared with. */
  maybeLostChanges: number
  /** Standbys of the database, and whether answers wait for one; null: it has not been asked, or there can be none. */
  replication: { standbys: number, synchronous: boolean } | null
  /** Polls of the change feed: `answered`, or `failed`, after which it is joined anew. */
  polls: Counter
  /** Statements and transactions that failed, by the code of the failure; `defect` for what has none. */
  databaseErrors: Counter
  /** Failures of what is done without being asked for, by job. */
  jobFailures: Counter
  /** Errors that nothing caught, in a process that survives them. */
  uncaught: number
  /** What was counted in memory and could not be written before the end, by job. */
  lost: Counter
  /** Rows that were removed because they say nothing any more, by kind. */
  pruned: Counter
  /** When the last round of that was done without a failure, in milliseconds since the epoch; null: not yet. */
  prunedAt: number | null
}

export function newMetrics (): Metrics {
  return {
    requests: new HistogramVec(),
    requestsInFlight: 0,
    turnedAway: new Counter(),
    verdicts: new Counter(),
    tokens: new Counter(),
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

/** Aggregate metrics since the start, as JSON, for operators and programs without Prometheus (OC-13). */
import type { Counter, HistogramVec } from '../telemetry/metrics.ts'
import type { Sources } from './prometheus.ts'

type Counts = Record<string, number>

export interface Aggregate {
  requests: { total: number, inFlight: number, byStatus: Counts, turnedAway: Counts, meanMilliseconds: number }
  verdicts: { admitted: number, refused: number, byReason: Counts }
  tokensIssued: Counts
  /** Cached records by kind, and look-ups answered by the cache and by the database. */
  registry: { records: Counts, hits: number, misses: number }
  database: {
    statements: number
    meanMilliseconds: number
    transactions: Counts
    openTransactions: number
    retries: number
    errors: Counts
    connections: Counts
  }
  /** `at`: when the last run succeeded (RFC 3339). */
  pruned: { rows: Counts, at: string | null }
  eventLoop: { meanMilliseconds: number, maxMilliseconds: number }
  memory: { residentBytes: number, heapUsedBytes: number }
}

export function aggregate ({ metrics, eventLoop, storage }: Sources): Aggregate {
  const { requests, verdicts, statements, transactions, registry } = metrics
  const { admitted = 0, ...byReason } = countsOf(verdicts)
  const { mean, max } = eventLoop.lag()
  const { rss, heapUsed } = process.memoryUsage()
  return {
    requests: {
      ...timing(requests, 'total'),
      inFlight: metrics.requestsInFlight,
      byStatus: timedCounts(requests, 2),
      turnedAway: countsOf(metrics.turnedAway),
    },
    verdicts: { admitted, refused: verdicts.total - admitted, byReason },
    tokensIssued: countsOf(metrics.tokens),
    registry: { records: storage.inMemory(), hits: registry.hits, misses: registry.misses },
    database: {
      ...timing(statements, 'statements'),
      transactions: timedCounts(transactions, 0),
      openTransactions: metrics.openTransactions,
      retries: metrics.transactionRetries,
      errors: countsOf(metrics.databaseErrors),
      connections: storage.connections()
    },
    pruned: {
      rows: countsOf(metrics.pruned),
      at: metrics.prunedAt === null ? null : new Date(metrics.prunedAt).toISOString()
    },
    eventLoop: { meanMilliseconds: rounded(mean * 1000), maxMilliseconds: rounded(max * 1000) },
    memory: { residentBytes: rss, heapUsedBytes: heapUsed },
  }
}

/** Sums by the first label. */
function countsOf (counter: Counter): Counts {
  return sums(counter.entries().map(([label, , count]) => [label, count]))
}

/** Counts of observations, summed by the label at `place`. */
function timedCounts (histograms: HistogramVec, place: 0 | 1 | 2): Counts {
  return sums(histograms.entries().map(entry => [entry[place], entry[3].count]))
}

function sums (counts: readonly [string, number][]): Counts {
  const summed: Counts = {}
  for (const [label, count] of counts) summed[label] = (summed[label] ?? 0) + count
  return summed
}

function timing<Name extends string> (histograms: HistogramVec, name: Name) {
  const all = histograms.entries().map(entry => entry[3])
  const count = all.reduce((total, histogram) => total + histogram.count, 0)
  const seconds = all.reduce((total, histogram) => total + histogram.sum, 0)
  return { [name]: count, meanMilliseconds: count === 0 ? 0 : rounded(seconds / count * 1000) } as
    & Record<Name, number>
    & { meanMilliseconds: number }
}

function rounded (milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}

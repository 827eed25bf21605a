/**
 * Metrics for Prometheus. Values are read from telemetry at each scrape and not kept here. No label holds an id, a raw
 * path, an address or any other text of a caller.
 */
import type { Registry } from 'prom-client'
import { durationBuckets, type Histogram, type Metrics, type Counter, type HistogramVec } from '../telemetry/metrics.ts'
import type { EventLoop } from './event-loop.ts'

/** Where values are read from. */
export interface Sources {
  metrics: Metrics
  eventLoop: Pick<EventLoop, 'lag'>
  storage: StorageSource
  version: string
}

export interface StorageSource {
  /** Cached records by kind. */
  inMemory (): Record<string, number>
  /** Whether checks use the cache. */
  isTrusted (): boolean
  /** How many subjects are refused because a change was lost. */
  refusedSubjects (): number
  /** Connections to the database, by state. */
  connections (): Record<string, number>
}

interface Value { labels: Record<string, string>, value: number, metricName?: string }

interface Metric {
  name: string
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  labels: readonly string[]
  read (sources: Sources, metric: Metric): Value[]
}

const startedAt = Date.now() / 1000 - process.uptime()

/** All metrics. The table in docs/operations.md is generated from this list. */
export const metrics: readonly Metric[] = [
  {
    name: 'latchkey_http_request_duration_seconds',
    type: 'histogram',
    help:
      'Duration of requests by route pattern, method and class of status. Unknown paths have the route `none`.',
    labels: ['route', 'method', 'status'],
    read: ({ metrics }, metric) => histogram(metric, metrics.requests),
  },
  gauge(
    'latchkey_http_requests_in_flight', 'Requests in flight.', ({ metrics }) => metrics.requestsInFlight
  ),
  counter(
    'latchkey_http_requests_turned_away_total',
    'Requests rejected unread because the server is overloaded or shutting down.', ['reason'],
    ({ metrics }) => metrics.turnedAway
  ),
  counter(
    'latchkey_guard_verdicts_total', 'Verdicts of the guard: `admitted`, or the precise reason for the refusal.',
    ['verdict', 'credential'], ({ metrics }) => metrics.verdicts
  ),
  counter(
    'latchkey_spend_total',
    'Calls of gateways about AI spending: `reserved`, `repeated`, `refused`, `settled`, `released`.', ['outcome'],
    ({ metrics }) => metrics.spending
  ),
  counter(
    'latchkey_tokens_issued_total', 'Issued tokens by grant type.', ['grant_type'],
    ({ metrics }) => metrics.tokens
  ),
  counter(
    'latchkey_assertions_total',
    'Assertions of workloads and of ID-JAG: `taken`, or the precise reason for the refusal, as the audit log has it.',
    ['outcome', 'profile'], ({ metrics }) => metrics.assertions
  ),
  counter(
    'latchkey_issuer_key_fetches_total',
    'Fetches of the keys of trusted issuers: `fetched`; `unusable` for an answer without keys that verify, a ' +
      'redirect or an error; or why there was no answer: `unreachable`, `timeout`, `forbidden_address`, …',
    ['outcome'], ({ metrics }) => metrics.issuerKeyFetches
  ),
  counter(
    'latchkey_token_reviews_total',
    'Questions to clusters about tokens of service accounts: `authenticated`, `refused`; `unusable` for another ' +
      'answer, such as 403; or why there was none: `unreachable`, `timeout`, `forbidden_address`, …',
    ['outcome'], ({ metrics }) => metrics.tokenReviews
  ),
  {
    name: 'latchkey_registry_records',
    type: 'gauge',
    help: 'Cached records, which checks read without the database while the cache is trusted.',
    labels: ['kind'],
    read: ({ storage }) => byLabel('kind', storage.inMemory()),
  },
  {
    name: 'latchkey_registry_lookups_total',
    type: 'counter',
    help: 'Look-ups of checks: `hit` was answered by the cache, `miss` by the database.',
    labels: ['result'],
    read: ({ metrics: { registry } }) => byLabel('result', { hit: registry.hits, miss: registry.misses }),
  },
  gauge(
    'latchkey_registry_trusted',
    '1: checks use the cache. 0: this server does not receive the changes of others, and reads the database each time.',
    ({ storage }) => Number(storage.isTrusted())
  ),
  counter(
    'latchkey_feed_polls_total',
    'Polls of the change feed: `answered`, or `failed`, after which this server joins again.',
    ['result'],
    ({ metrics }) => metrics.polls
  ),
  gauge(
    'latchkey_lost_changes_total',
    'Acknowledged changes that the database has lost in a failover, as far as this server knew them. Any value but 0 ' +
      'needs an operator.',
    ({ metrics }) => metrics.lostChanges,
    'counter'
  ),
  gauge(
    'latchkey_maybe_lost_changes_total',
    'How often this server found the database with another history, and remembered nothing to compare it with.',
    ({ metrics }) => metrics.maybeLostChanges,
    'counter'
  ),
  gauge(
    'latchkey_lost_changes_undecided',
    'Credentials, organizations and other subjects that are refused, because a change was lost, until an operator ' +
      'decides.',
    ({ storage }) => storage.refusedSubjects()
  ),
  {
    name: 'latchkey_database_standbys',
    type: 'gauge',
    help:
      'Standbys of the database. `asynchronous`: no commit waits for a standby, so a failover can lose acknowledged ' +
      'changes.',
    labels: ['replication'],
    read: ({ metrics: { replication } }) => replication === null
      ? []
      : byLabel('replication', { [replication.synchronous ? 'synchronous' : 'asynchronous']: replication.standbys }),
  },
  {
    name: 'latchkey_acknowledgement_duration_seconds',
    type: 'histogram',
    help:
      'How long changes waited for other servers, by outcome: there was none (`alone`), all applied the change ' +
        '(`applied`), the lease ended (`lapsed`).',
    labels: ['outcome'],
    read: ({ metrics }, metric) => histogram(metric, metrics.acknowledgements),
  },
  {
    name: 'latchkey_database_statement_duration_seconds',
    type: 'histogram',
    help: 'Duration of statements by operation.',
    labels: ['operation'],
    read: ({ metrics }, metric) => histogram(metric, metrics.statements),
  },
  {
    name: 'latchkey_database_transaction_duration_seconds',
    type: 'histogram',
    help: 'Duration of transactions by outcome: `committed`, `rolled_back`.',
    labels: ['outcome'],
    read: ({ metrics }, metric) => histogram(metric, metrics.transactions),
  },
  gauge(
    'latchkey_database_transactions_open', 'Open transactions.', ({ metrics }) => metrics.openTransactions
  ),
  gauge(
    'latchkey_database_transaction_retries_total', 'How often a transaction was retried after a conflict.',
    ({ metrics }) => metrics.transactionRetries, 'counter'
  ),
  counter(
    'latchkey_database_errors_total',
    'Failed statements and transactions by error: `storage_full`, `storage_unavailable`, `serialization_conflict`, …',
    ['error'], ({ metrics }) => metrics.databaseErrors
  ),
  {
    name: 'latchkey_database_connections',
    type: 'gauge',
    help: 'Connections of this server to its database, by state.',
    labels: ['state'],
    read: ({ storage }) => byLabel('state', storage.connections()),
  },
  counter(
    'latchkey_background_failures_total',
    'Failures of background jobs, by job. A failed job runs again at its next time.', ['job'],
    ({ metrics }) => metrics.jobFailures
  ),
  gauge(
    'latchkey_uncaught_errors_total',
    'Uncaught errors. Each is a defect; the server writes it to standard error and continues.',
    ({ metrics }) => metrics.uncaught, 'counter'
  ),
  counter(
    'latchkey_pruned_rows_total', 'Expired rows that were deleted, by kind.', ['kind'],
    ({ metrics }) => metrics.pruned
  ),
  gauge(
    'latchkey_pruned_timestamp_seconds', 'When housekeeping last succeeded; 0: not yet.',
    ({ metrics }) => (metrics.prunedAt ?? 0) / 1000
  ),
  {
    name: 'latchkey_event_loop_lag_seconds',
    type: 'gauge',
    help: 'How late timers fired in the last half second: `mean`, `p99`, `max`.',
    labels: ['statistic'],
    read: ({ eventLoop }) => byLabel('statistic', eventLoop.lag()),
  },
  gauge('process_cpu_seconds_total', 'CPU time of this process, in user and system mode.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }, 'counter'),
  gauge('process_resident_memory_bytes', 'Resident memory of this process.', () => process.memoryUsage.rss()),
  gauge('nodejs_heap_used_bytes', 'Heap in use.', () => process.memoryUsage().heapUsed),
  gauge('process_start_time_seconds', 'When this process started.', () => startedAt),
  {
    name: 'latchkey_build_info',
    type: 'gauge',
    help: 'Always 1; the version is the label.',
    labels: ['version'],
    read: ({ version }) => byLabel('version', { [version]: 1 })
  }
]

export interface Exposition { contentType: string, text: string }

/** Renders `sources` in the text format of Prometheus. Its library is loaded by the first scrape. */
export function exposition (sources: Sources): () => Promise<Exposition> {
  let registry: Registry | null = null
  return async () => {
    registry ??= registryOf(sources, await import('prom-client'))
    return { contentType: registry.contentType, text: await registry.metrics() }
  }
}

function registryOf (sources: Sources, library: typeof import('prom-client')): Registry {
  const registry = new library.Registry()
  for (const metric of metrics) registry.registerMetric(collectedBy(metric, sources) as never)
  return registry
}

/**
 * A metric in the interface that prom-client collects. Its own classes would count a second time, with a hash of the
 * labels at each count.
 */
function collectedBy (metric: Metric, sources: Sources) {
  const { name, type, help } = metric
  return {
    name,
    help,
    type,
    aggregator: 'sum',
    get: async () => ({ name, help, type, aggregator: 'sum', values: metric.read(sources, metric) }),
    reset () {}
  }
}

function gauge (
  name: string, help: string, value: (sources: Sources) => number, type: 'gauge' | 'counter' = 'gauge'
): Metric {
  return { name, type, help, labels: [], read: sources => [{ labels: {}, value: value(sources) }] }
}

function counter (
  name: string, help: string, labels: readonly string[], counts: (sources: Sources) => Counter
): Metric {
  const read = (sources: Sources) =>
    counts(sources).entries().map(([label, second, value]) => ({ labels: named(labels, [label, second]), value }))
  return { name, type: 'counter', help, labels, read }
}

function byLabel (label: string, numbers: Record<string, number>): Value[] {
  return Object.entries(numbers).map(([name, value]) => ({ labels: { [label]: name }, value }))
}

function named (labels: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(labels.map((label, i) => [label, values[i]!]))
}

function histogram ({ name, labels }: Metric, histograms: HistogramVec): Value[] {
  return histograms.entries().flatMap(([...parts]) => {
    const durations = parts.pop() as Histogram
    return bucketsOf(name, named(labels, parts as string[]), durations)
  })
}

/** Cumulative buckets: each counts all observations up to its bound. */
function bucketsOf (name: string, labels: Record<string, string>, { counts, count, sum }: Histogram): Value[] {
  let below = 0
  const buckets = [...durationBuckets, '+Inf'].map((le, i) => {
    below += counts[i]!
    return { metricName: `${name}_bucket`, labels: { ...labels, le: String(le) }, value: below }
  })
  return [...buckets, { metricName: `${name}_sum`, labels, value: sum }, {
    metricName: `${name}_count`, labels, value: count
  }]
}

/**
 * The numbers of a server in the words of Prometheus. Nothing is kept here: what was counted is read when somebody
 * asks. No number carries an id, a path as it was sent, an address or anything else that a caller chose.
 */
import type { Registry } from 'prom-client'
import { durationBuckets, type Histogram, type Metrics, type Counter, type HistogramVec } from '../telemetry/metrics.ts'
import type { EventLoop } from './event-loop.ts'

/** What numbers are read from. */
export interface Sources {
  metrics: Metrics
  eventLoop: EventLoop
  /** Records that checks can look at without the database, by kind. */
  inMemory (): Record<string, number>
  /** Whether checks go by memory. */
  isTrusted (): boolean
  /** How many subjects are refused because a change was lost. */
  refusedSubjects (): number
  /** Connections to the database, by state. */
  connections (): Record<string, number>
  version: string
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

/** Every metric there is. The table in docs/operations.md is generated from this. */
export const metrics: readonly Metric[] = [
  {
    name: 'latchkey_http_request_duration_seconds',
    type: 'histogram',
    help:
      'Requests by route pattern, method and class of status, with how long their answers took. Unknown paths are ' +
        'the route `none`.',
    labels: ['route', 'method', 'status'],
    read: ({ metrics }, metric) => histogram(metric, metrics.requests),
  },
  gauge(
    'latchkey_http_requests_in_flight', 'Requests that are being answered.', ({ metrics }) => metrics.requestsInFlight
  ),
  counter(
    'latchkey_http_requests_turned_away_total',
    'Requests refused unread because the server is overloaded or shutting down.', ['reason'],
    ({ metrics }) => metrics.turnedAway
  ),
  counter(
    'latchkey_guard_verdicts_total', 'What the guard said of credentials: `admitted`, or the precise reason against.',
    ['verdict', 'credential'], ({ metrics }) => metrics.verdicts
  ),
  counter(
    'latchkey_tokens_issued_total', 'Tokens that were issued, by grant type.', ['grant_type'],
    ({ metrics }) => metrics.tokens
  ),
  {
    name: 'latchkey_registry_records',
    type: 'gauge',
    help: 'Records in memory that checks can look at without the database, as long as it is trusted.',
    labels: ['kind'],
    read: ({ inMemory }) => byLabel('kind', inMemory()),
  },
  {
    name: 'latchkey_registry_lookups_total',
    type: 'counter',
    help: 'Lookups of checks: `hit` was answered by memory, `miss` by the database.',
    labels: ['result'],
    read: ({ metrics: { registry } }) => byLabel('result', { hit: registry.hits, miss: registry.misses }),
  },
  gauge(
    'latchkey_registry_trusted',
    '1: checks go by memory. 0: this server does not hear what others change, and asks the database every time.',
    ({ isTrusted }) => Number(isTrusted())
  ),
  counter(
    'latchkey_feed_polls_total',
    'Polls of the change feed: `answered`, or `failed`, after which this server joins anew.',
    ['result'],
    ({ metrics }) => metrics.polls
  ),
  gauge(
    'latchkey_lost_changes_total',
    'Changes that had been answered and that the database has lost in a failover, as far as this ' +
      'server knew them. Anything but 0 needs an operator.',
    ({ metrics }) => metrics.lostChanges,
    'counter'
  ),
  gauge(
    'latchkey_maybe_lost_changes_total',
    'Times that this server found the database with another history, and remembered ' +
      'nothing to compare it with.',
    ({ metrics }) => metrics.maybeLostChanges,
    'counter'
  ),
  gauge(
    'latchkey_lost_changes_undecided',
    'Credentials, organizations and other subjects that are refused because a change was ' +
      'lost, until an operator decides.',
    ({ refusedSubjects }) => refusedSubjects()
  ),
  {
    name: 'latchkey_database_standbys',
    type: 'gauge',
    help:
      'Standbys of the database; `asynchronous`: no answer waits for any of them, so a failover can lose what was ' +
      'answered.',
    labels: ['replication'],
    read: ({ metrics: { replication } }) => replication === null
      ? []
      : byLabel('replication', { [replication.synchronous ? 'synchronous' : 'asynchronous']: replication.standbys }),
  },
  {
    name: 'latchkey_acknowledgement_duration_seconds',
    type: 'histogram',
    help:
      'How long changes waited for other servers, and why no longer: nobody had to be waited for (`alone`), all had ' +
        'them (`applied`), the lease was over (`lapsed`).',
    labels: ['outcome'],
    read: ({ metrics }, metric) => histogram(metric, metrics.acknowledgements),
  },
  {
    name: 'latchkey_database_statement_duration_seconds',
    type: 'histogram',
    help: 'Statements by operation, with how long they took.',
    labels: ['operation'],
    read: ({ metrics }, metric) => histogram(metric, metrics.statements),
  },
  {
    name: 'latchkey_database_transaction_duration_seconds',
    type: 'histogram',
    help: 'Transactions by outcome (`committed`, `rolled_back`), with how long they took.',
    labels: ['outcome'],
    read: ({ metrics }, metric) => histogram(metric, metrics.transactions),
  },
  gauge(
    'latchkey_database_transactions_open', 'Transactions that are open now.', ({ metrics }) => metrics.openTransactions
  ),
  gauge(
    'latchkey_database_transaction_retries_total', 'Times that a transaction ran again because another was in its way.',
    ({ metrics }) => metrics.transactionRetries, 'counter'
  ),
  counter(
    'latchkey_database_errors_total',
    'Statements and transactions that failed, by what the failure ' +
      'means: `storage_full`, `storage_unavailable`, `serialization_conflict`, …',
    ['error'], ({ metrics }) => metrics.databaseErrors
  ),
  {
    name: 'latchkey_database_connections',
    type: 'gauge',
    help: 'Connections of this server to its database, by state.',
    labels: ['state'],
    read: ({ connections }) => byLabel('state', connections()),
  },
  counter(
    'latchkey_background_failures_total',
    'Failures of what the server does without being asked, by job; it is done again in its time.', ['job'],
    ({ metrics }) => metrics.jobFailures
  ),
  gauge(
    'latchkey_uncaught_errors_total',
    'Errors that nothing caught. Each is a defect; the server told it on standard error, and goes on.',
    ({ metrics }) => metrics.uncaught, 'counter'
  ),
  counter(
    'latchkey_pruned_rows_total', 'Rows that were removed because they say nothing any more, by kind.', ['kind'],
    ({ metrics }) => metrics.pruned
  ),
  gauge(
    'latchkey_pruned_timestamp_seconds', 'When the last round of pruning succeeded; 0: not yet.',
    ({ metrics }) => (metrics.prunedAt ?? 0) / 1000
  ),
  {
    name: 'latchkey_event_loop_lag_seconds',
    type: 'gauge',
    help: 'How late timers came over the last half second: `mean`, `p99`, `max`.',
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

/** Reads everything from `sources` in the text format of Prometheus, whose library is loaded for whoever asks first. */
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
 * A metric as prom-client asks for it. Its own classes keep numbers of their own and add to them by a hash of the
 * labels; ours are there already.
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

function counter (name: string, help: string, labels: readonly string[], tally: (sources: Sources) => Counter): Metric {
  const read = (sources: Sources) =>
    tally(sources).entries().map(([label, second, value]) => ({ labels: named(labels, [label, second]), value }))
  return { name, type: 'counter', help, labels, read }
}

function byLabel (label: string, numbers: Record<string, number>): Value[] {
  return Object.entries(numbers).map(([name, value]) => ({ labels: { [label]: name }, value }))
}

function named (labels: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(labels.map((label, i) => [label, values[i]!]))
}

function histogram ({ name, labels }: Metric, tally: HistogramVec): Value[] {
  return tally.entries().flatMap(([...parts]) => {
    const durations = parts.pop() as Histogram
    return bucketsOf(name, named(labels, parts as string[]), durations)
  })
}

/** Buckets hold what took at most their bound, and so all that the smaller ones hold. */
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

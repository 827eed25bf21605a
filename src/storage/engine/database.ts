import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SqlDriverAdapter, SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { Awaitable } from '../../base/awaitable.ts'
import { postgresqlTarget } from '../../config/database-url.ts'
import { ConfigurationError, Failure } from '../../base/errors.ts'
import { inSpan } from '../../telemetry/tracing.ts'
import { newTelemetry, type Telemetry } from '../../telemetry/telemetry.ts'
import { allOrNothing } from './failed-transactions.ts'
import { asFailure, isSerializationConflict } from './failures.ts'
import { defaultLimits, type Limits } from './timeouts.ts'
import { migrationsAt } from '../migrations/inspection.ts'
import { newPrismaClient, type PrismaClient, type Provider, type Queries } from './prisma.ts'
import type { Reads } from './reads.ts'
import { FreeSpace } from './free-space.ts'
import { TransactionLimiter } from './transaction-limiter.ts'
import type { Database } from './engine.ts'

/** What the two databases differ in when they are opened. */
interface Connection {
  /** What Prisma runs its statements on. */
  adapter: SqlDriverAdapter
  connections: Database['connections']
  reads: Reads
  /** Before the adapter lets go of its own connections. */
  closeReads (): void
  onLoss: Database['onLoss']
  onConnect: Database['onConnect']
  /** After the adapter has let go of its own. */
  release (): void
}

/** How often a transaction is run before other transactions in its way mean that the storage is overwhelmed. */
const attempts = 20

/** The longest a transaction waits before it is run again, in milliseconds. */
const longestWait = 250

/**
 * Opens `file:…` with SQLite, as the only server on that file, or `postgresql://…`. Creates a missing SQLite file; a
 * PostgreSQL database has to exist, and is first reached for by the first query.
 * @throws ConfigurationError for any other URL, and when another server has the SQLite file.
 */
export async function openDatabase (
  url: string, changedLimits: Partial<Limits> = {}, telemetry: Telemetry = newTelemetry()
): Promise<Database> {
  const provider = providerOf(url)
  const limits = { ...defaultLimits, ...limitsOf(url), ...changedLimits }
  requireGenerated(provider)
  const opened = await (provider === 'sqlite' ? openSqlite(url, limits) : openPostgresql(url, limits))
  const { adapter, connections, onLoss, onConnect, reads, closeReads, release } = opened
  let closed = false
  // SQLite has one connection and no conflicts. On PostgreSQL some connections are left to those who only read.
  const changes = new TransactionLimiter(
    provider === 'sqlite' ? Infinity : changesAtOnce(postgresqlTarget(url).connections), limits.turn
  )
  const waiting = new TransactionLimiter(Infinity, limits.turn)
  const room = new FreeSpace()
  let client: PrismaClient | null = null
  const load = async (): Promise<PrismaClient> => {
    client = await newPrismaClient(provider, allOrNothing(adapter))
    return failing(client, telemetry, room, () => closed)
  }
  const guarded = whenNeeded(load, () => closed)
  return {
    provider,
    queries: guarded,
    async transaction (work, isolation = 'serializable') {
      if (closed) throw closedFailure()
      const isolationLevel = isolation === 'read committed' && provider === 'postgresql'
        ? 'ReadCommitted'
        : 'Serializable'
      const options = {
        maxWait: limits.startTransaction, timeout: limits.transaction, isolationLevel: isolationLevel as 'Serializable'
      }
      const result = await runTransaction(
        guarded, telemetry, room, options, work, isolation === 'serializable' ? changes : waiting
      )
      room.found()
      return result
    },
    connections,
    reads: failingReads(reads, telemetry, () => closed),
    onLoss,
    onConnect,
    limits,
    ping: async () => { await guarded.$queryRaw`SELECT 1` },
    isFull: () => room.isFull,
    async close () {
      closed = true
      closeReads()
      await (client === null ? adapter.dispose() : client.$disconnect())
      release()
    },
  }
}

/**
 * Applies the migrations that the database at `url` lacks; returns their names. On SQLite, hold the database open
 * meanwhile.
 * @throws UnusableDatabase when a newer version has migrated it, or this version cannot work on it.
 */
export async function migrate (url: string): Promise<string[]> {
  const provider = providerOf(url)
  try {
    const { pending, unfinished } = await migrationsAt(url)
    if (pending.length === 0 && unfinished.length === 0) return []
    const { applyMigrations } = await import('../migrations/migrations.ts')
    return await applyMigrations(provider, await migrationAdapter(provider, url))
  } catch (error) {
    throw asFailure(error)
  }
}

/** @throws ConfigurationError, which does not repeat the URL: it may hold a password. */
function providerOf (url: string): Provider {
  if (url.startsWith('file:')) return 'sqlite'
  if (/^postgres(ql)?:\/\//.test(url)) return 'postgresql'
  throw new ConfigurationError(['DATABASE_URL: neither file:… (SQLite) nor postgresql://…'])
}

/**
 * In a clone they are not there before they have been generated; what needs them would fail only at the first change.
 */
function requireGenerated (provider: Provider): void {
  const folder = join(import.meta.dirname, '..', 'generated', provider)
  if (!existsSync(folder)) {
    throw new ConfigurationError([
      `DATABASE_URL: the generated client of its database is missing (${folder}); run \`npm run generate\``
    ])
  }
}

/** What the URL says of them. A transaction has to get its connection before it is given up. */
function limitsOf (url: string): Partial<Limits> {
  const connect = url.startsWith('file:') ? undefined : postgresqlTarget(url).connectLimit
  return connect === undefined
    ? {}
    : { connect, startTransaction: Math.max(defaultLimits.startTransaction, connect + 1_000) }
}

// The drivers are imported when they are needed: a server has one of them in memory, not both.

async function openSqlite (url: string, limits: Limits): Promise<Connection> {
  const { ensureFile, lockForOneServer, requireDatabase, sqliteAdapter, sqlitePath } = await import(
    './sqlite/sqlite.ts'
  )
  const path = sqlitePath(url)
  ensureFile(path)
  const release = lockForOneServer(path)
  try {
    requireDatabase(path)
    const { reads, close } = (await import('./sqlite/reads.ts')).sqliteReads(path, limits)
    const adapter = await sqliteAdapter(path, limits).connect()
    const connections = () => ({ idle: 0, busy: 1, waiting: 0 })
    return { release, onLoss: () => {}, onConnect: () => {}, reads, closeReads: close, connections, adapter }
  } catch (error) {
    release()
    throw asFailure(error)
  }
}

async function openPostgresql (url: string, limits: Limits): Promise<Connection> {
  const { newPool, postgresqlAdapter } = await import('./postgresql/postgresql.ts')
  const { postgresqlReads } = await import('./postgresql/reads.ts')
  const losses = new Set<() => void>()
  const pool = newPool(url, limits, () => {
    losses.forEach(lost => lost())
  })
  const connections = () => ({
    idle: pool.idleCount, busy: pool.totalCount - pool.idleCount, waiting: pool.waitingCount
  })
  const onLoss = (lost: () => void): void => {
    losses.add(lost)
  }
  const onConnect = (connected: () => void): void => {
    pool.on('connect', connected)
  }
  const adapter = await postgresqlAdapter(pool, url).connect()
  const reads = postgresqlReads(pool)
  return { adapter, connections, onLoss, onConnect, reads, closeReads: () => {}, release: () => {} }
}

async function migrationAdapter (provider: Provider, url: string): Promise<SqlMigrationAwareDriverAdapterFactory> {
  if (provider === 'postgresql') return (await import('./postgresql/postgresql.ts')).postgresqlMigrationAdapter(url)
  const { sqliteMigrationAdapter, sqlitePath } = await import('./sqlite/sqlite.ts')
  return sqliteMigrationAdapter(sqlitePath(url))
}

/**
 * A client that is loaded for the first query that needs one: Prisma takes a fifth of a second and some thirty
 * megabytes, and a start on a database that is as it should be has only to read. What cannot be loaded is tried again
 * by the next query.
 */
function whenNeeded (load: () => Promise<PrismaClient>, isClosed: () => boolean): PrismaClient {
  let loading: Promise<PrismaClient> | null = null
  const loaded = async (): Promise<PrismaClient> => {
    if (isClosed()) throw closedFailure()
    loading ??= load().catch(error => {
      loading = null
      throw new Failure('storage_unavailable', {
        detail: `what the database is changed by cannot be loaded (${(error as Error).message})`, cause: error
      })
    })
    return await loading
  }
  type Calls = Record<string, (...args: unknown[]) => Promise<unknown>>
  const model = (name: string) =>
    new Proxy({}, {
      get: (_, operation: string) => async (...args: unknown[]) =>
        await (await loaded() as unknown as Record<string, Calls>)[name]![operation]!(...args)
    })
  return new Proxy({}, {
    get: (_, name: string) =>
      name.startsWith('$')
        ? async (...args: unknown[]) => await (await loaded() as unknown as Calls)[name]!(...args)
        : model(name)
  }) as PrismaClient
}

/**
 * The client, inside transactions too, with its errors as failures. Once closed it stays so: Prisma would connect
 * again, and to a SQLite file that another server may have by then.
 */
function failing (client: PrismaClient, { metrics }: Telemetry, room: FreeSpace, isClosed: () => boolean): PrismaClient {
  return client.$extends({
    query: {
      async $allOperations ({ operation, args, query }) {
        if (isClosed()) throw closedFailure()
        if (operation.startsWith('find') && asksForNul((args as { where?: unknown }).where)) {
          return operation === 'findMany' ? [] : null
        }
        const began = performance.now()
        try {
          return await query(args)
        } catch (error) {
          const failure = isSerializationConflict(error) ? error : asFailure(error)
          metrics.databaseErrors.increment(codeOf(failure))
          room.failed(failure)
          throw failure
        } finally {
          metrics.statements.observe((performance.now() - began) / 1000, operation)
        }
      },
    },
  }) as unknown as PrismaClient
}

/** As `failing`, for what goes past the client. */
function failingReads (reads: Reads, { metrics }: Telemetry, isClosed: () => boolean): Reads {
  const fail = (error: unknown): never => {
    const failure = asFailure(error)
    metrics.databaseErrors.increment(codeOf(failure))
    throw failure
  }
  const guarded =
    <Values extends (string | number)[], T>(read: (...values: Values) => Awaitable<T>, nothing: T) =>
      (...values: Values): Awaitable<T> => {
        if (isClosed()) throw closedFailure()
        if (values.some(value => typeof value === 'string' && value.includes('\0'))) return nothing
        const began = performance.now()
        const note = () => {
          metrics.statements.observe((performance.now() - began) / 1000, 'read')
        }
        try {
          const found = read(...values)
          if (found instanceof Promise) return found.catch(fail).finally(note)
          note()
          return found
        } catch (error) {
          return fail(error)
        }
      }
  return {
    apiKeyByDigest: guarded(reads.apiKeyByDigest, null),
    importedApiKey: guarded(reads.importedApiKey, null),
    importedForDeployment: guarded(reads.importedForDeployment, []),
    apiKey: guarded(reads.apiKey, null),
    client: guarded(reads.client, null),
    organization: guarded(reads.organization, null),
    resource: guarded(reads.resource, null),
    resourceByIdentifier: guarded(reads.resourceByIdentifier, null),
    policiesOf: guarded(reads.policiesOf, []),
    deploymentPolicies: guarded(reads.deploymentPolicies, []),
    signingKeys: guarded(reads.signingKeys, []),
    revokedTokens: guarded(reads.revokedTokens, []),
    headsNotUnder: guarded(reads.headsNotUnder, []),
    resourcesWithoutNormalForm: guarded(reads.resourcesWithoutNormalForm, []),
    refused: guarded(reads.refused, []),
    refusedSubject: guarded(reads.refusedSubject, []),
    ...(reads.importedKeys === undefined
      ? {}
      : { importedKeys: guarded(reads.importedKeys, { through: null, keys: [] }) })
  }
}

/**
 * Nothing stored has a NUL in it: PostgreSQL's text cannot, and asking for one is an error there that would end the
 * transaction.
 */
function asksForNul (where: unknown): boolean {
  if (typeof where === 'string') return where.includes('\0')
  return typeof where === 'object' && where !== null && Object.values(where).some(asksForNul)
}

function closedFailure (): Failure {
  return new Failure('storage_unavailable', { detail: 'the database was closed' })
}

/** For the numbers: the failure's code, `serialization_conflict`, or `defect` for what nobody foresaw. */
function codeOf (error: unknown): string {
  if (error instanceof Failure) return error.code
  return isSerializationConflict(error) ? 'serialization_conflict' : 'defect'
}

/** 6 of 10 connections; more get in each other's way. */
function changesAtOnce (connections: number): number {
  return Math.max(1, Math.min(6, Math.floor(connections * 0.6)))
}

/** As Prisma takes them. */
interface TransactionOptions { maxWait: number, timeout: number, isolationLevel: 'Serializable' }

async function runTransaction<T> (
  client: PrismaClient, telemetry: Telemetry, room: FreeSpace, options: TransactionOptions,
  work: (queries: Queries) => Promise<T>, turnstile: TransactionLimiter
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await turnstile.run(() =>
        inSpan(
          telemetry.tracing, 'database transaction',
          () => measured(telemetry, () => runOnce(client, telemetry, room, options, work))
        )
      )
    } catch (error) {
      if (!isSerializationConflict(error)) throw error
      telemetry.metrics.transactionRetries++
      if (attempt === attempts) {
        throw new Failure('storage_unavailable', { detail: 'other transactions kept getting in the way', cause: error })
      }
      turnstile.serialize()
      // Of several servers that stand in each other's way, each waits for another while.
      await sleep(Math.random() * Math.min(2 ** attempt * 4, longestWait))
    }
  }
}

async function measured<T> ({ metrics }: Telemetry, transaction: () => Promise<T>): Promise<T> {
  const began = performance.now()
  let outcome = 'rolled_back'
  metrics.openTransactions++
  try {
    const result = await transaction()
    outcome = 'committed'
    return result
  } finally {
    metrics.openTransactions--
    metrics.transactions.observe((performance.now() - began) / 1000, outcome)
  }
}

/** What `work` throws passes unchanged; what beginning and committing throw becomes a failure. */
async function runOnce<T> (
  client: PrismaClient, { metrics }: Telemetry, room: FreeSpace, options: TransactionOptions,
  work: (queries: Queries) => Promise<T>
): Promise<T> {
  let thrown: { error: unknown } | null = null
  const remembering = async (queries: Queries): Promise<T> => {
    try {
      return await work(queries)
    } catch (error) {
      thrown = { error }
      throw error
    }
  }
  try {
    return await client.$transaction(remembering, options)
  } catch (error) {
    if ((thrown as { error: unknown } | null)?.error === error || isSerializationConflict(error)) throw error
    // No statement's: that of BEGIN, or of COMMIT.
    const failure = asFailure(error)
    metrics.databaseErrors.increment(codeOf(failure))
    room.failed(failure)
    throw failure
  }
}

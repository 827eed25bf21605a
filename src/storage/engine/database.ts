/** Opens a database by its URL, and migrates it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigurationError } from '../../base/errors.ts'
import { postgresqlTarget } from '../../config/database-url.ts'
import { newTelemetry, type Telemetry } from '../../telemetry/telemetry.ts'
import { migrationsAt } from '../migrations/inspection.ts'
import { connect, migrationAdapter } from './connection.ts'
import type { Database } from './engine.ts'
import { allOrNothing } from './failed-transactions.ts'
import { asFailure, closedFailure } from './failures.ts'
import { FreeSpace } from './free-space.ts'
import { lazyPrismaClient, newPrismaClient, type PrismaClient, type Provider } from './prisma.ts'
import { clientWithFailures, readsWithFailures } from './query-failures.ts'
import { defaultLimits, type Limits } from './timeouts.ts'
import { TransactionLimiter } from './transaction-limiter.ts'
import { runTransaction } from './transaction-retries.ts'

/**
 * Opens `file:…` with SQLite, as the only server on that file, or `postgresql://…`. Creates a missing SQLite file; a
 * PostgreSQL database has to exist, and the first query connects to it.
 * @throws ConfigurationError for any other URL, and when another server has locked the SQLite file.
 */
export async function openDatabase (
  url: string, changedLimits: Partial<Limits> = {}, telemetry: Telemetry = newTelemetry()
): Promise<Database> {
  const provider = providerOf(url)
  const limits = { ...defaultLimits, ...limitsOf(url), ...changedLimits }
  requireGenerated(provider)
  const { adapter, connections, onLoss, onConnect, reads, closeReads, release } = await connect(provider, url, limits)
  let closed = false
  const isClosed = () => closed
  // SQLite has one connection and no conflicts. On PostgreSQL some connections stay free for reads.
  const serializable = new TransactionLimiter(
    provider === 'sqlite' ? Infinity : concurrentChanges(postgresqlTarget(url).connections), limits.turn
  )
  const readCommitted = new TransactionLimiter(Infinity, limits.turn)
  const freeSpace = new FreeSpace()
  let loaded: PrismaClient | null = null
  const client = lazyPrismaClient(async () => {
    loaded = await newPrismaClient(provider, allOrNothing(adapter))
    return clientWithFailures(loaded, telemetry, freeSpace, isClosed)
  }, isClosed)
  return {
    provider,
    queries: client,
    async transaction (work, isolation = 'serializable') {
      if (closed) throw closedFailure()
      const isReadCommitted = isolation === 'read committed' && provider === 'postgresql'
      const isolationLevel = (isReadCommitted ? 'ReadCommitted' : 'Serializable') as 'Serializable'
      const options = { maxWait: limits.startTransaction, timeout: limits.transaction, isolationLevel }
      const limiter = isolation === 'serializable' ? serializable : readCommitted
      const result = await runTransaction({ client, telemetry, freeSpace }, options, work, limiter)
      freeSpace.recordWrite()
      return result
    },
    connections,
    reads: readsWithFailures(reads, telemetry, isClosed),
    onLoss,
    onConnect,
    limits,
    ping: async () => { await client.$queryRaw`SELECT 1` },
    isFull: () => freeSpace.isFull,
    async close () {
      closed = true
      closeReads()
      await (loaded === null ? adapter.dispose() : loaded.$disconnect())
      release()
    },
  }
}

/**
 * Applies the migrations that the database at `url` lacks, and returns their names. On SQLite, keep the database open
 * meanwhile.
 * @throws UnusableDatabase when a newer version has migrated it, or this version does not support it.
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

/** @throws ConfigurationError, without the URL: it may contain a password. */
function providerOf (url: string): Provider {
  if (url.startsWith('file:')) return 'sqlite'
  if (/^postgres(ql)?:\/\//.test(url)) return 'postgresql'
  throw new ConfigurationError(['DATABASE_URL: neither file:… (SQLite) nor postgresql://…'])
}

/** A clone has no client until it is generated, and without this check only the first change would fail. */
function requireGenerated (provider: Provider): void {
  const folder = join(import.meta.dirname, '..', 'generated', provider)
  if (!existsSync(folder)) {
    throw new ConfigurationError([
      `DATABASE_URL: the generated client of its database is missing (${folder}); run \`npm run generate\``
    ])
  }
}

/** The limits that the URL sets. A transaction waits longer for its connection than connecting may take. */
function limitsOf (url: string): Partial<Limits> {
  const connectLimit = url.startsWith('file:') ? undefined : postgresqlTarget(url).connectLimit
  return connectLimit === undefined
    ? {}
    : { connect: connectLimit, startTransaction: Math.max(defaultLimits.startTransaction, connectLimit + 1_000) }
}

/** 6 of 10 connections: with more, serializable transactions mostly conflict. */
function concurrentChanges (connections: number): number {
  return Math.max(1, Math.min(6, Math.floor(connections * 0.6)))
}

/** Opens the driver of either database. Drivers are imported on demand, so that a server loads one of the two. */
import type { SqlDriverAdapter, SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { Database } from './engine.ts'
import { asFailure } from './failures.ts'
import type { Provider } from './prisma.ts'
import type { Reads } from './reads.ts'
import type { Limits } from './timeouts.ts'

/** An open driver. */
export interface Connection {
  /** Prisma runs its statements on it. */
  adapter: SqlDriverAdapter
  connections: Database['connections']
  reads: Reads
  /** To be called before the adapter is disposed of. */
  closeReads (): void
  onLoss: Database['onLoss']
  onConnect: Database['onConnect']
  /** To be called after the adapter was disposed of. */
  release (): void
}

export async function connect (provider: Provider, url: string, limits: Limits): Promise<Connection> {
  return await (provider === 'sqlite' ? openSqlite(url, limits) : openPostgresql(url, limits))
}

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

export async function migrationAdapter (
  provider: Provider, url: string
): Promise<SqlMigrationAwareDriverAdapterFactory> {
  if (provider === 'postgresql') return (await import('./postgresql/postgresql.ts')).postgresqlMigrationAdapter(url)
  const { sqliteMigrationAdapter, sqlitePath } = await import('./sqlite/sqlite.ts')
  return sqliteMigrationAdapter(sqlitePath(url))
}

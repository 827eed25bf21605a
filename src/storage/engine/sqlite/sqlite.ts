/** SQLite's file: path, lock, backup, and the driver on it. */
import { closeSync, existsSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import Database from 'better-sqlite3'
import type { SqlDriverAdapterFactory, SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import { ConfigurationError } from '../../../base/errors.ts'
import { makeFolder } from '../../../base/private-folder.ts'
import { defaultLimits, type Limits } from '../timeouts.ts'
import { UnusableDatabase } from '../unusable-database.ts'
import { sqliteDriver } from './driver.ts'

/** The absolute path of `file:…`; a relative one is resolved against the working directory. */
export function sqlitePath (url: string): string {
  return resolve(url.slice('file:'.length))
}

/**
 * Creates the file, readable by its owner only, and its folder, unless they exist.
 * @throws ConfigurationError when the file cannot be created.
 */
export function ensureFile (path: string): void {
  // Does not open an existing file: closing it would release this process's locks on it.
  if (existsSync(path)) return
  try {
    makeFolder(dirname(path))
    closeSync(openSync(path, 'a', 0o600))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigurationError([
      `DATABASE_URL: ${path} cannot be written (${code}); name a file that this account can use`
    ])
  }
}

/**
 * @throws ConfigurationError when the file is not a SQLite database. An empty one is a new database.
 */
export function requireDatabase (path: string): void {
  let database: InstanceType<typeof Database> | undefined
  try {
    database = new Database(path, { timeout: defaultLimits.busy })
    database.pragma('schema_version')
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'SQLITE_NOTADB') {
      throw new ConfigurationError([
        `DATABASE_URL: ${path} is not a SQLite database; name another file, or restore this one from a backup`
      ])
    }
    if (code === 'SQLITE_CANTOPEN') {
      throw new ConfigurationError([`DATABASE_URL: ${path} cannot be opened; name a file that this account can use`])
    }
    throw error
  } finally {
    database?.close()
  }
}

/**
 * Locks the database file for this server, until the result is called or the process ends in any way: it is a lock of
 * the operating system. It is taken on a separate file, so that backups can read the database.
 * @throws ConfigurationError when another server, or another part of this process, holds the lock. UnusableDatabase
 * when its file cannot be locked.
 */
export function lockForOneServer (path: string): () => void {
  const lockPath = `${path}.lock`
  ensureFile(lockPath)
  const lock = openLock(lockPath, false)
  try {
    lock.pragma('journal_mode = MEMORY')
    lock.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    if (!isBusy(error)) throw unusableLock(lockPath, error)
    throw new ConfigurationError([
      `DATABASE_URL: another Latchkey server is running on ${path}; a SQLite file serves one server. ` +
        'Stop that one, or use PostgreSQL for several'
    ])
  }
  return () => lock.close()
}

/**
 * Whether a server has locked the database file. At worst it fails the first attempt of one that starts just now.
 * @throws UnusableDatabase when the file of the lock cannot be read.
 */
export function isLocked (path: string): boolean {
  const lockPath = `${path}.lock`
  if (!existsSync(lockPath)) return false
  const lock = openLock(lockPath, true)
  try {
    lock.pragma('schema_version')
    return false
  } catch (error) {
    if (isBusy(error)) return true
    throw unusableLock(lockPath, error)
  } finally {
    lock.close()
  }
}

function openLock (lockPath: string, readonly: boolean): InstanceType<typeof Database> {
  try {
    return new Database(lockPath, { timeout: 0, readonly })
  } catch (error) {
    throw unusableLock(lockPath, error)
  }
}

function unusableLock (lockPath: string, error: unknown): UnusableDatabase {
  const { code = '' } = error as { code?: string }
  return code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT')
    ? new UnusableDatabase(
      `${lockPath}, the lock by which one server keeps others from the database, is damaged (${code})`,
      'remove that file while no server runs on the database: it holds no data, and the next start makes a new one'
    )
    : new UnusableDatabase(
      `${lockPath}, the lock by which one server keeps others from the database, cannot be used (${code})`,
      'let this account read and write that file, or remove it while no server runs on the database'
    )
}

/**
 * Writes a consistent copy of the database into a new file that only its owner can read, while a server may write. The
 * copy is checked before it gets its name.
 * @throws ConfigurationError when there is no database or the file exists already.
 */
export function copyDatabase (path: string, target: string): void {
  if (!existsSync(path)) throw new ConfigurationError([`DATABASE_URL: there is no database ${path} to back up`])
  if (existsSync(target)) throw new ConfigurationError([`${target} exists already; a backup never replaces a file`])
  const part = `${target}.part`
  claim(part)
  const source = new Database(path, { readonly: true, timeout: defaultLimits.busy })
  try {
    source.prepare('VACUUM INTO ?').run(part)
    requireWhole(part)
    renameSync(part, target)
  } catch (error) {
    rmSync(part, { force: true })
    throw error
  } finally {
    source.close()
  }
}

function claim (path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigurationError([
      `${path} cannot be created (${code}); choose a folder that this account can write to and that has no ` +
        'unfinished backup'
    ])
  }
}

function requireWhole (path: string): void {
  const copy = new Database(path, { readonly: true })
  try {
    const found = copy.pragma('integrity_check', { simple: true })
    if (found !== 'ok') throw new Error(`the copy is corrupt: ${String(found)}`)
  } finally {
    copy.close()
  }
}

function isBusy (error: unknown): boolean {
  return (error as { code?: string }).code?.startsWith('SQLITE_BUSY') ?? false
}

/** Prisma's adapter for a server, with durable settings instead of SQLite's defaults. */
export function sqliteAdapter (path: string, limits: Limits): SqlDriverAdapterFactory {
  // FULL: an acknowledged write survives a power cut, not only a crash of the process.
  const settings = 'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON'
  return sqliteDriver(path, limits.busy, settings)
}

/** For migrations: the engine needs a separate connection. */
export function sqliteMigrationAdapter (path: string): SqlMigrationAwareDriverAdapterFactory {
  return sqliteDriver(path, defaultLimits.busy)
}

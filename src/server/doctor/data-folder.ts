/** Checks that the data folder is private to this account, and that a server can write to it. */
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { belongsToUs } from '../../base/file-ownership.ts'
import type { Config } from '../../config/config.ts'
import { failed, ok, skipped, type Finding } from './finding.ts'

const check = 'data folder'

export function checkDataFolder ({ dataFolder, databaseUrl }: Config): Finding {
  if (!existsSync(dataFolder)) {
    return skipped(check, `${dataFolder} does not exist and is not needed: variables set every secret`)
  }
  const database = databaseUrl.startsWith('file:') ? [databaseUrl.slice('file:'.length)] : []
  const secretFiles = ['secret', 'admin-token', 'server.json'].map(name => join(dataFolder, name))
  const paths = [dataFolder, ...secretFiles, ...database]
  return foreign(paths) ?? exposed(paths, dataFolder) ?? readOnly(dataFolder, database) ??
    ok(check, `${dataFolder} is private to this account`)
}

function foreign (paths: readonly string[]): Finding | null {
  const found = paths.filter(path => !belongsToUs(path))
  if (found.length === 0) return null
  return failed(
    check, `another account owns ${found.join(', ')}`,
    `Run the server as the account that owns them, or change the owner: chown "$(id -u)" ${found.join(' ')}`
  )
}

/** Other accounts may list the folder, but not write to it: the files in it are private. */
function exposed (paths: readonly string[], dataFolder: string): Finding | null {
  const modeOf = (path: string) => existsSync(path) ? statSync(path).mode : 0
  const found = paths.filter(path => (modeOf(path) & (path === dataFolder ? 0o022 : 0o077)) !== 0)
  if (found.length === 0) return null
  return failed(
    check, `other accounts may access ${found.join(', ')}`, `Remove their permissions: chmod go= ${found.join(' ')}`
  )
}

/** `database`: the file of SQLite; empty for PostgreSQL, where a server works without writing here. */
function readOnly (dataFolder: string, database: readonly string[]): Finding | null {
  const found = [dataFolder, ...database].filter(path => existsSync(path) && !mayWrite(path))
  if (database.length === 0 || found.length === 0) return null
  return failed(
    check,
    `this account may not write to ${found.join(', ')}`,
    'Run the server and this command as an account that may, or correct the permissions; or the file system is ' +
    'mounted read-only.'
  )
}

function mayWrite (path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

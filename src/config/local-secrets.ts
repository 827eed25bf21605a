/** Secrets that a local server generates into its data folder at its first start. */
import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { ConfigurationError } from '../base/errors.ts'
import { ForeignFile, readOwn } from '../base/file-ownership.ts'
import { makeFolder } from '../base/private-folder.ts'

/** The secret in a file of the data folder. `databaseFile`: the SQLite database; null: PostgreSQL. */
export type LocalSecret = (
  file: string, make: () => string, databaseFile: string | null
) => { text: string, isNew: boolean }

/** Reads the file, or generates it. @throws ConfigurationError when it is damaged or cannot be used. */
export const generateOnce: LocalSecret = (file, make) => {
  const before = readGenerated(file)
  if (before !== null) return { text: before, isNew: false }
  const text = make()
  orRefuse(file, () => {
    makeFolder(dirname(file))
    writeNew(file, text + '\n')
  })
  return { text, isNew: true }
}

/** Reads the file and generates nothing. @throws ConfigurationError, also when the file does not exist. */
export const requireGenerated: LocalSecret = (file, _make, databaseFile) => {
  const text = readGenerated(file)
  if (text === null) throw new ConfigurationError([`LATCHKEY_DATA: ${missing(file, databaseFile)}`])
  return { text, isNew: false }
}

/** Null: not generated yet. */
function readGenerated (file: string): string | null {
  const text = orRefuse(file, () => readOwn(file)?.trim() ?? null)
  if (text !== null && text.length < 32) throw new ConfigurationError([`${file}: is damaged; restore it from a backup`])
  return text
}

/** Where the database exists, the secret existed too: a new one could not decrypt what is in the database. */
function missing (file: string, databaseFile: string | null): string {
  if (databaseFile === null || !existsSync(databaseFile) || basename(file) !== 'secret') {
    return `${file} does not exist yet; start the server once with \`latchkey serve\``
  }
  return `${file} is missing, and ${databaseFile} was encrypted with it; restore it from a backup, or set ` +
    'LATCHKEY_SECRET to its text'
}

/**
 * Writes a new file that only its owner may read. Leaves no file behind when the disk is full, and flushes it to disk:
 * what is encrypted with a secret survives a power cut, so the secret must too.
 */
function writeNew (file: string, text: string): void {
  // wx: of two servers that start at once, the second fails instead of using another secret.
  const descriptor = openSync(file, 'wx', 0o600)
  try {
    writeFileSync(descriptor, text, { flush: true })
  } catch (error) {
    rmSync(file)
    throw error
  } finally {
    closeSync(descriptor)
  }
  const folder = openSync(dirname(file), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

function orRefuse<T> (file: string, access: () => T): T {
  try {
    return access()
  } catch (error) {
    if (error instanceof ForeignFile) {
      throw new ConfigurationError([
        `LATCHKEY_DATA: ${error.message}, so that account may know or choose its content; use a folder of this ` +
          'account, or change owner and permissions of the file (chown, chmod go-w)'
      ])
    }
    throw new ConfigurationError([
      `LATCHKEY_DATA: ${file} cannot be read or written (${
        (error as NodeJS.ErrnoException).code
      }); use a folder that this account may read and write`
    ])
  }
}

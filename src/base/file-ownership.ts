/**
 * Ownership of files. A file that is trusted because of its folder must belong to this account, and no other account
 * may write to it.
 */
import { closeSync, fstatSync, lstatSync, openSync, readdirSync, readFileSync, realpathSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'

/** A file exists, and another account has written it or may write to it. */
export class ForeignFile extends Error {
  constructor (file: string) {
    super(`${file} belongs to another account, or another account may write to it`)
  }
}

/** Undefined on systems without numeric accounts, where ownership cannot be determined. */
const account = process.getuid?.()

/** Whether it belongs to this account or to root, and its owner alone may write to it. */
function isOurs ({ uid, mode }: Pick<Stats, 'uid' | 'mode'>): boolean {
  return (uid === account || uid === 0) && (mode & 0o022) === 0
}

/** The text of a file of this account; null: no such file. @throws ForeignFile, or the error of the file system. */
export function readOwn (file: string): string | null {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
  try {
    // Checks the open file: another one that takes its name meanwhile is not read.
    if (account !== undefined && !isOurs(fstatSync(descriptor))) throw new ForeignFile(file)
    return readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Whether no other account can have written what is at this path: it exists, it and everything in it belongs to this
 * account, and no other account may replace it or a folder above it. False if that cannot be determined.
 */
export function isPrivate (path: string): boolean {
  try {
    if (account === undefined) return false
    const real = realpathSync(path)
    return isOutOfReach(dirname(real)) && isAllOurs(real)
  } catch {
    return false
  }
}

/** Whether no other account can rename an entry of this folder or of one above it. In a sticky one only owners can. */
function isOutOfReach (folder: string): boolean {
  const stats = lstatSync(folder)
  const sticky = (stats.mode & 0o1000) !== 0
  if (!isOurs(sticky ? { uid: stats.uid, mode: 0 } : stats)) return false
  return dirname(folder) === folder || isOutOfReach(dirname(folder))
}

function isAllOurs (path: string): boolean {
  const stats = lstatSync(path)
  if (!isOurs(stats)) return false
  return stats.isDirectory() ? readdirSync(path).every(name => isAllOurs(join(path, name))) : stats.isFile()
}

/** Whether a path, if it exists, belongs to this account or to root. True if that cannot be determined. */
export function belongsToUs (path: string): boolean {
  try {
    const { uid } = lstatSync(path)
    return account === undefined || uid === account || uid === 0
  } catch {
    return true
  }
}

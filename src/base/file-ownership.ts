/**
 * Whose a file is. What is trusted because of the folder it lies in must be this account's, and nothing that another
 * account may write.
 */
import { closeSync, fstatSync, lstatSync, openSync, readdirSync, readFileSync, realpathSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'

/** A file that is there and that another account has written, or may write. */
export class ForeignFile extends Error {
  constructor (file: string) {
    super(`${file} belongs to another account, or another account may write to it`)
  }
}

/** Undefined where there are no accounts by number: there nothing can be told. */
const account = process.getuid?.()

/** Whether it belongs to this account or to root, which may do anything, and its owner alone may write to it. */
function isOurs ({ uid, mode }: Pick<Stats, 'uid' | 'mode'>): boolean {
  return (uid === account || uid === 0) && (mode & 0o022) === 0
}

/** The text of a file of this account; null where there is none. @throws ForeignFile, or what the file system says. */
export function readOwn (file: string): string | null {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
  try {
    // Of what was opened: whatever takes its name meanwhile is not read.
    if (account !== undefined && !isOurs(fstatSync(descriptor))) throw new ForeignFile(file)
    return readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Whether nothing at this path can be another account's work: it is there, it and all that is in it is this account's,
 * and nobody else may put something else in its place, or in that of a folder above it. False where that cannot be
 * told.
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

/**
 * Whether no other account can rename what is in this folder, or what is above it. In one like /tmp owners alone can.
 */
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

/** Whether a path, if it is there, belongs to this account or to root. True where that cannot be told. */
export function belongsToUs (path: string): boolean {
  try {
    const { uid } = lstatSync(path)
    return account === undefined || uid === account || uid === 0
  } catch {
    return true
  }
}

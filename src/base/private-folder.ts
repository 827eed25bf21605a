/** Creates folders for private data. */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Creates a folder that only its owner may enter, and its missing parents; leaves an existing one as it is. Creates one
 * at a time, because `recursive` never returns on a file system that takes no folders, such as /proc.
 * @throws the error of the file system.
 */
export function makeFolder (path: string): void {
  if (existsSync(path)) return
  makeFolder(dirname(path))
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Another process has created it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a folder that only its owner may enter, and what is missing above it; leaves what is there as it is. One step
 * at a time: told to make all of them, Node never comes back from a file system that makes no folders, /proc say.
 * @throws what the file system says.
 */
export function makeFolder (path: string): void {
  if (existsSync(path)) return
  makeFolder(dirname(path))
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Another process was quicker.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

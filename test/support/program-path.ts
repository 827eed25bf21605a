/**
 * Finds a program of this machine. Scripts use it too, so it does not import tap, which would end them after a timeout.
 */
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

// Debian puts servers into sbin, which is not on every account's path.
const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'].filter(folder =>
  folder !== ''
)

/** Null: it is not installed, or not on the path. */
export function programPath (name: string): string | null {
  return folders.map(folder => join(folder, name)).find(isProgram) ?? null
}

function isProgram (path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/**
 * The file beside a SQLite database that holds the lease of its guards: the next server reads how long they may answer
 * from memory. A server writes it once, before it gives trust to the first guard.
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'

function fileOf (path: string): string {
  return `${path}.guards`
}

/** Milliseconds for which a guard may trust what an earlier server has told it last; 0: none was told anything. */
export function earlierTrust (path: string): number {
  try {
    return Number(readFileSync(fileOf(path), 'utf8')) || 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}

/** To be called before a guard is given trust for so many milliseconds. @throws the error of the file system. */
export function noteTrust (path: string, milliseconds: number): void {
  const file = openSync(fileOf(path), 'w', 0o600)
  try {
    writeSync(file, String(milliseconds))
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

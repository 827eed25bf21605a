/** What an archive may hold, and how a refused one is told: bounds are counted while it is read, never believed. */
import type { gunzip, inflateRaw } from 'node:zlib'
import { Failure } from '../../base/errors.ts'

/** The most bytes of an archive as sent. */
export const mostArchiveBytes = 10 * 1024 * 1024
/** The most bytes of all its files together, those of archives inside of it included. */
export const mostUnpackedBytes = 50 * 1024 * 1024
/** The most files, and the most directories, those of archives inside of it included. */
export const mostFiles = 1_000
/** How many archives may lie within each other; the bundle itself is the first. */
const deepest = 3

/** Why an archive is refused, for programs: `details.reason` of the answer. */
export type ArchiveFault =
  | 'not_an_archive' | 'damaged' | 'trailing_bytes' | 'encrypted' | 'unsupported' | 'unsafe_name' | 'duplicate_name'
  | 'special_file' | 'contradictory' | 'too_many_files' | 'too_large' | 'nested_too_deep' | 'skill_file'

/** The refusal of an archive. `message`: a sentence that names the entry, as far as there is one. */
export function archiveFault (reason: ArchiveFault, message: string): Failure {
  return new Failure('invalid_request', { message, details: { field: 'body', reason } })
}

/** Called with each file of an archive, one after the other. */
export type Visit = (path: string, content: Buffer) => void | Promise<void>

/** Counts what an archive unpacks to, with the archives inside of it. */
export interface Budget {
  /** Archives around the one that is read. */
  readonly depth: number
  /** @throws Failure when there are too many files or directories. */
  takeEntry (isDirectory: boolean): void
  /** @throws Failure when there are too many bytes. */
  takeBytes (count: number): void
  /** Bytes that may still come. */
  bytesLeft (): number
  /** The same counts, for an archive inside of this one. @throws Failure when it lies too deep. */
  within (): Budget
}

interface Counts { files: number, directories: number, bytes: number }

export function archiveBudget (depth = 1, counts: Counts = { files: 0, directories: 0, bytes: 0 }): Budget {
  return {
    depth,
    takeEntry (isDirectory) {
      if (isDirectory) counts.directories++
      else counts.files++
      if (counts.files <= mostFiles && counts.directories <= mostFiles) return
      throw archiveFault(
        'too_many_files',
        `The archive holds more than ${mostFiles} files or directories, those of archives inside of it included.`
      )
    },
    takeBytes (count) {
      counts.bytes += count
      if (counts.bytes <= mostUnpackedBytes) return
      throw archiveFault(
        'too_large',
        `The archive unpacks to more than ${mostUnpackedBytes} bytes, those of archives inside of it included.`
      )
    },
    bytesLeft: () => mostUnpackedBytes - counts.bytes,
    within () {
      if (depth < deepest) return archiveBudget(depth + 1, counts)
      throw archiveFault('nested_too_deep', `Archives lie within each other more than ${deepest} deep.`)
    },
  }
}

/** With the engine, which knows how much of the input it has read: Node.js ignores what follows. */
export interface Inflated { buffer: Buffer, engine: { bytesWritten: number } }

/** Unpacks at most so many bytes. @throws what zlib throws, by its `code`. */
export async function inflated (
  unpack: typeof gunzip | typeof inflateRaw, bytes: Buffer, maxOutputLength: number
): Promise<Inflated> {
  return await new Promise((resolve, reject) => {
    unpack(bytes, { maxOutputLength, info: true }, (error, result) => {
      if (error === null) resolve(result as unknown as Inflated)
      else reject(error)
    })
  })
}

/** Whether a refusal is about a bound: then it counts for an archive inside of another one, too. */
export function isBeyondBounds (error: unknown): boolean {
  const reason = error instanceof Failure ? error.details?.reason : undefined
  return reason === 'too_many_files' || reason === 'too_large' || reason === 'nested_too_deep'
}

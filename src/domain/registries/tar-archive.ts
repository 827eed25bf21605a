/** Tar archives in the formats ustar, pax and GNU, read in memory. */
import { archiveFault, type Budget, type Visit } from './archive-bounds.ts'
import { EntryNames, entryPath } from './archive-names.ts'

const block = 512

/**
 * Reads each file of a tar archive.
 * @throws Failure for one that is damaged or cut off, that holds something else than files and directories, or that
 * readers may understand differently.
 */
export async function readTar (bytes: Buffer, budget: Budget, visit: Visit): Promise<void> {
  const expected = countEntries(bytes)
  const { extract } = await import('tar-stream')
  const parser = extract()
  const names = new EntryNames(budget)
  let found = 0
  try {
    parser.end(bytes)
    for await (const entry of parser) {
      found++
      const { name, type, pax } = entry.header as typeof entry.header & { pax?: Record<string, string> | null }
      const isDirectory = type === 'directory'
      if (!isDirectory && type !== 'file') {
        throw archiveFault(
          'special_file', `The entry ${shown(name)} is neither a file nor a directory; leave links out.`
        )
      }
      requireKnownRecords(name, pax)
      budget.takeEntry(isDirectory)
      const path = entryPath(name)
      requireOneKind(name, isDirectory, entry.header.size)
      if (path !== '') names.add(path, isDirectory)
      const chunks: Buffer[] = []
      for await (const chunk of entry as AsyncIterable<Buffer>) {
        budget.takeBytes(chunk.length)
        chunks.push(chunk)
      }
      if (!isDirectory) await visit(path, Buffer.concat(chunks))
    }
  } catch (error) {
    throw asFault(error)
  }
  if (found === expected) return
  throw archiveFault('contradictory', 'The tar archive has entries that not every program sees.')
}

/**
 * The number of entries by their blocks alone, up to the end mark.
 * @throws Failure for an archive that ends without one, for anything behind it, for an entry that is named twice, and
 * for headers that not every program reads alike.
 */
function countEntries (bytes: Buffer): number {
  let entries = 0
  let at = 0
  let isNamed = false
  for (; at + block <= bytes.length && bytes[at] !== 0; at += block) {
    const flag = String.fromCharCode(bytes[at + 156]!)
    const size = sizeOf(bytes.subarray(at + 124, at + 136))
    const data = bytes.subarray(at + block, at + block + size)
    if (flag === 'g') requireComment(data)
    if (flag === 'x') requireWellFormed(data)
    requireOneFormat(bytes.subarray(at, at + block))
    const names = 'xL'.includes(flag)
    if (names && isNamed) {
      throw archiveFault('contradictory', 'The tar archive has an entry with two names, of which programs read either.')
    }
    if (names) isNamed = true
    if (!'xgLK'.includes(flag)) {
      entries++
      isNamed = false
    }
    at += Math.ceil(size / block) * block
  }
  if (bytes.length % block !== 0 || at + 2 * block > bytes.length) {
    throw archiveFault('damaged', 'The tar archive is cut off: it has no end mark.')
  }
  if (bytes.subarray(at).some(byte => byte !== 0)) {
    throw archiveFault('trailing_bytes', 'The tar archive has bytes behind its end mark.')
  }
  return entries
}

/** A size in octal digits. @throws Failure for any other: it is only needed above 8 GB. */
function sizeOf (field: Buffer): number {
  const [, digits] = /^ *([0-7]{1,11})[ \0]*$/.exec(field.toString('latin1')) ?? []
  if (digits !== undefined) return Number.parseInt(digits, 8)
  throw archiveFault('damaged', 'The tar archive has an entry without a size.')
}

/** Records for all entries rename or resize them for some programs; only Git's comment is harmless. */
function requireComment (records: Buffer): void {
  if (/^[0-9]+ comment=[0-9a-f]{40,64}\n$/.test(records.toString('latin1'))) return
  throw archiveFault(
    'contradictory', 'The tar archive has records for all of its entries, which programs read differently.'
  )
}

/** Records of one entry (POSIX pax): from a malformed one on programs ignore them, or the rest of the archive. */
function requireWellFormed (records: Buffer): void {
  for (let at = 0; at < records.length;) {
    const [start, digits, key] = /^([1-9][0-9]{0,6}) ([^=\n]+)=/.exec(records.toString('latin1', at, at + 512)) ?? []
    const length = Number(digits)
    const value = records.subarray(at + (start?.length ?? 0), at + length - 1)
    const isWellFormed = start !== undefined && length > start.length && records[at + length - 1] === newline &&
      (key !== 'path' || value.length > 0)
    if (!isWellFormed) {
      throw archiveFault('contradictory', 'The tar archive has a malformed record, which programs read differently.')
    }
    at += length
  }
}

const newline = 0x0a

/** Where ustar has the beginning of a long name, GNU has other things, which some programs take for a name, too. */
function requireOneFormat (header: Buffer): void {
  if (header.toString('latin1', 257, 263) !== 'ustar ' || header[345] === 0) return
  throw archiveFault('contradictory', 'The tar archive has an entry with a name in two formats.')
}

/** Records that replace the size, or the content, of an entry. */
function requireKnownRecords (name: string, pax: Record<string, string> | null = null): void {
  const replaced = Object.keys(pax ?? {}).find(key =>
    ['size', 'hdrcharset', 'SCHILY.realsize'].includes(key) || key.startsWith('GNU.sparse')
  )
  if (replaced === undefined) return
  throw archiveFault(
    'contradictory', `The entry ${shown(name)} has a record ${shown(replaced)}, which programs read differently.`
  )
}

/** @throws Failure for a directory with data, for which the library waits without an end; and for a file as one. */
function requireOneKind (name: string, isDirectory: boolean, size: number): void {
  if (isDirectory ? size === 0 : !name.endsWith('/')) return
  throw archiveFault(
    'contradictory', `The entry ${shown(name)} is a directory for some programs, and a file for others.`
  )
}

function shown (name: string): string {
  return JSON.stringify(name.slice(0, 128))
}

function asFault (error: unknown): unknown {
  if (!(error instanceof Error) || 'status' in error) return error
  return archiveFault('damaged', `The tar archive is damaged or cut off: ${error.message.slice(0, 160)}.`)
}

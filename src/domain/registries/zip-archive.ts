/** Zip archives, read in memory: what their directory says and what their entries say has to be the same. */
import zlib from 'node:zlib'
import type { Failure } from '../../base/errors.ts'
import type { Entry, LocalFileHeader, parseExtraFields, ZipFile } from 'yauzl'
import { archiveFault, inflated, type Budget, type Visit } from './archive-bounds.ts'
import { EntryNames, entryPath } from './archive-names.ts'

const endOfDirectory = 0x06054b50
const zip64Locator = 0x07064b50
const endLength = 22
/** The beginning of a data descriptor, which may be left out (APPNOTE 4.3.9). */
const descriptorSignature = 0x08074b50
const descriptor = Buffer.from('PK\x07\x08', 'latin1')
/** General purpose bits (APPNOTE 4.4.4): encrypted, sizes follow the data, strong encryption, masked headers. */
const flags = { encrypted: 1 | 64 | 8192, descriptor: 8, utf8: 2048 }
/** The extra field of another name (APPNOTE 4.6.9). */
const unicodePath = 0x7075

/**
 * Reads each file of a zip archive.
 * @throws Failure for one that is damaged or encrypted, that holds something else than files and directories, or that
 * readers may understand differently.
 */
export async function readZip (bytes: Buffer, budget: Budget, visit: Visit): Promise<void> {
  const { fromBufferPromise, parseExtraFields } = await import('yauzl')
  try {
    const zip = await fromBufferPromise(bytes, { decodeStrings: false, lazyEntries: true })
    await readEntries(zip, bytes, budget, visit, parseExtraFields)
  } catch (error) {
    throw asFault(error)
  }
}

async function readEntries (
  zip: ZipFile, bytes: Buffer, budget: Budget, visit: Visit, parse: typeof parseExtraFields
): Promise<void> {
  const directory = directoryOf(zip, bytes)
  const names = new EntryNames(budget)
  const parts: Part[] = []
  for await (const entry of zip.eachEntry()) {
    const name = nameOf(entry)
    const isDirectory = name.endsWith('/')
    requirePlain(entry, name, isDirectory)
    budget.takeEntry(isDirectory)
    const path = entryPath(name)
    const local = await zip.readLocalFileHeaderPromise(entry, { minimal: false })
    requireSame(entry, local, name)
    requireOneName([...entry.extraFields, ...parse(local.extraField)], entry.fileNameRaw)
    const end = local.fileDataStart + entry.compressedSize
    parts.push({ start: entry.relativeOffsetOfLocalHeader, end, entry })
    if (path !== '') names.add(path, isDirectory)
    const content = await contentOf(entry, bytes.subarray(local.fileDataStart, end), budget, name)
    if (isDirectory && content.length > 0) throw archiveFault('contradictory', `The directory ${shown(name)} has data.`)
    if (!isDirectory) await visit(path, content)
  }
  // The types of the library say that it is a boolean.
  if (Number(zip.readEntryCursor) !== directory.end) {
    throw archiveFault('contradictory', 'The directory of the zip archive is longer or shorter than it says.')
  }
  requireGapless(parts, directory.start, bytes)
}

/** A local header with its data. */
interface Part { start: number, end: number, entry: Entry }

/** Where the central directory begins and ends. The library has found its end, behind which there is a comment only. */
function directoryOf ({ comment }: ZipFile, bytes: Buffer): { start: number, end: number } {
  const end = bytes.length - endLength - comment.length
  if (end < 0 || bytes.readUInt32LE(end) !== endOfDirectory || bytes.lastIndexOf('PK\x05\x06') !== end) {
    throw archiveFault('contradictory', 'The zip archive has two ends.')
  }
  if (end >= 20 && bytes.readUInt32LE(end - 20) === zip64Locator) {
    throw archiveFault('unsupported', 'The archive is a zip64 one, which a small archive need not be.')
  }
  const [size, start] = [bytes.readUInt32LE(end + 12), bytes.readUInt32LE(end + 16)]
  if (start + size !== end || bytes.readUInt16LE(end + 8) !== bytes.readUInt16LE(end + 10)) {
    throw archiveFault('contradictory', 'The directory of the zip archive is not where it says.')
  }
  return { start, end }
}

/** An extra field may name the entry again, in the directory and before the data. */
function requireOneName (extraFields: Entry['extraFields'], fileNameRaw: Buffer): void {
  const isOne = extraFields.every(({ id, data }) => id !== unicodePath || data.subarray(5).equals(fileNameRaw))
  if (!isOne) throw archiveFault('contradictory', 'An entry of the zip archive has two names.')
}

/** The name as the entry's own bytes say it. */
function nameOf ({ fileNameRaw, generalPurposeBitFlag }: Entry): string {
  const isUtf8 = (generalPurposeBitFlag & flags.utf8) !== 0
  try {
    const name = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(fileNameRaw)
    if (isUtf8 || fileNameRaw.every(byte => byte < 128)) return name
  } catch { /* Refused below. */ }
  throw archiveFault('unsafe_name', 'The zip archive has a name that is not in UTF-8.')
}

function requirePlain (
  { generalPurposeBitFlag, compressionMethod, externalFileAttributes }: Entry, name: string, isDirectory: boolean
): void {
  if ((generalPurposeBitFlag & flags.encrypted) !== 0) {
    throw archiveFault('encrypted', `The entry ${shown(name)} is encrypted; send an archive without a password.`)
  }
  if (compressionMethod !== 0 && compressionMethod !== 8) {
    throw archiveFault('unsupported', `The entry ${shown(name)} is compressed by another method than Deflate.`)
  }
  const type = (externalFileAttributes >>> 16) & 0o170000
  if (type === 0 || type === (isDirectory ? 0o040000 : 0o100000)) return
  throw archiveFault('special_file', `The entry ${shown(name)} is neither a file nor a directory; leave links out.`)
}

/** Programs that stream an archive read the local headers, others the directory: both read the same. */
function requireSame (entry: Entry, local: LocalFileHeader, name: string): void {
  const agrees = (before: number, said: number) => before === said || (isDescribed(entry) && before === 0)
  const isSame = local.fileName.equals(entry.fileNameRaw) &&
    local.generalPurposeBitFlag === entry.generalPurposeBitFlag &&
    local.compressionMethod === entry.compressionMethod &&
    agrees(local.crc32, entry.crc32) && agrees(local.compressedSize, entry.compressedSize) &&
    agrees(local.uncompressedSize, entry.uncompressedSize)
  if (isSame) return
  throw archiveFault(
    'contradictory', `The zip archive says two things of ${shown(name)}: in its directory, and before its data.`
  )
}

/** The bytes of one file. */
async function contentOf (entry: Entry, data: Buffer, budget: Budget, name: string): Promise<Buffer> {
  const content = entry.compressionMethod === 0 ? data : await unpacked(data, budget, name)
  budget.takeBytes(content.length)
  if (isDescribed(entry) && entry.compressionMethod === 0 && endsEarlier(content)) throw hidden(name)
  // An older Node.js has no `crc32` to import, and has to come as far as the sentence about its version.
  if (content.length === entry.uncompressedSize && zlib.crc32(content) === entry.crc32) return content
  throw archiveFault('damaged', `The entry ${shown(name)} is damaged: its checksum or its size is another one.`)
}

async function unpacked (data: Buffer, budget: Budget, name: string): Promise<Buffer> {
  const { buffer, engine } = await inflated(zlib.inflateRaw, data, budget.bytesLeft() + 1)
    .catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_BUFFER_TOO_LARGE') budget.takeBytes(budget.bytesLeft() + 1)
      throw error
    })
  if (engine.bytesWritten === data.length) return buffer
  throw hidden(name)
}

/** A program that streams an archive ends stored data at the first descriptor with the size of what it has read. */
function endsEarlier (content: Buffer): boolean {
  for (let at = content.indexOf(descriptor); at !== -1; at = content.indexOf(descriptor, at + 1)) {
    if (at + 12 <= content.length && content.readUInt32LE(at + 8) === at) return true
  }
  return false
}

/** Programs that stream an archive would read on where the data of the entry seems to end. */
function hidden (name: string): Failure {
  return archiveFault('contradictory', `The entry ${shown(name)} has bytes behind the end of its data.`)
}

/** Entries stand one behind the other and hide nothing: none lies within another, and nothing lies between them. */
function requireGapless (parts: readonly Part[], directoryStart: number, bytes: Buffer): void {
  const ordered = parts.toSorted((one, other) => one.start - other.start)
  const starts = [...ordered.map(({ start }) => start), directoryStart]
  const isGapless = starts[0] === 0 && ordered.every(({ end, entry }, i) => {
    const next = starts[i + 1]!
    const gap = bytes.subarray(end, next)
    if (next < end) return false
    return isDescribed(entry) ? descriptorsOf(entry).some(each => each.equals(gap)) : gap.length === 0
  })
  if (isGapless) return
  throw archiveFault('contradictory', 'The zip archive has entries that overlap, or bytes that belong to none.')
}

function isDescribed ({ generalPurposeBitFlag }: Entry): boolean {
  return (generalPurposeBitFlag & flags.descriptor) !== 0
}

/** The data descriptors that say what the directory says: with and without a signature, and with long sizes. */
function descriptorsOf ({ crc32, compressedSize, uncompressedSize }: Entry): Buffer[] {
  return [4, 8].flatMap(width => {
    const whole = Buffer.alloc(8 + 2 * width)
    whole.writeUInt32LE(descriptorSignature, 0)
    whole.writeUInt32LE(crc32, 4)
    whole.writeUInt32LE(compressedSize, 8)
    whole.writeUInt32LE(uncompressedSize, 8 + width)
    return [whole, whole.subarray(4)]
  })
}

function shown (name: string): string {
  return JSON.stringify(name.slice(0, 128))
}

/** What the library and zlib throw are plain errors about the archive. */
function asFault (error: unknown): unknown {
  if (!(error instanceof Error) || 'status' in error) return error
  const { message } = error
  if (message.includes('extra bytes at the end')) {
    return archiveFault('trailing_bytes', 'The zip archive has bytes behind its end.')
  }
  if (message.includes('encryption')) return archiveFault('encrypted', 'The zip archive is encrypted.')
  return archiveFault('damaged', `The zip archive is damaged or cut off: ${message.slice(0, 160)}.`)
}

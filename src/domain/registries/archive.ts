/** Archives of strangers: read in memory, never unpacked to a disk. */
import { gunzip } from 'node:zlib'
import { archiveBudget, archiveFault, inflated, isBeyondBounds, type Budget, type Visit } from './archive-bounds.ts'
import { readTar } from './tar-archive.ts'
import { readZip } from './zip-archive.ts'

export const archiveFormats = ['zip', 'tar', 'tar.gz'] as const
export type ArchiveFormat = typeof archiveFormats[number]

/**
 * Reads each file of an archive. Its bytes say its format.
 * @throws Failure `invalid_request` with `details.reason` for one that is not safe to unpack everywhere.
 */
export async function readArchive (bytes: Buffer, visit: Visit): Promise<ArchiveFormat> {
  const budget = archiveBudget()
  const looked: Visit = async (path, content) => {
    await requireBoundedInside(content, budget)
    await visit(path, content)
  }
  if (isZip(bytes)) {
    await readZip(bytes, budget, looked)
    return 'zip'
  }
  const isCompressed = isGzip(bytes)
  const tar = isCompressed ? await unzipped(bytes, budget) : bytes
  if (!isTar(tar)) {
    throw archiveFault('not_an_archive', 'The body is no archive; send a .zip, .tar or .tar.gz file as it is.')
  }
  await readTar(tar, budget, looked)
  return isCompressed ? 'tar.gz' : 'tar'
}

/** An archive inside of an archive is counted as if it were unpacked, too. What else is wrong with it is its matter. */
async function requireBoundedInside (content: Buffer, outer: Budget): Promise<void> {
  if (!isZip(content) && !isGzip(content) && !isTar(content)) return
  const budget = outer.within()
  const visit: Visit = async (_path, inner) => { await requireBoundedInside(inner, budget) }
  try {
    if (isZip(content)) await readZip(content, budget, visit)
    else if (isTar(content)) await readTar(content, budget, visit)
    else {
      const inner = await unzipped(content, budget)
      budget.takeBytes(inner.length)
      await requireBoundedInside(inner, budget)
    }
  } catch (error) {
    if (isBeyondBounds(error)) throw error
  }
}

/** Bytes that the headers of a tar archive may add to its files. */
const headers = 4 * 1024 * 1024

async function unzipped (bytes: Buffer, budget: Budget): Promise<Buffer> {
  const most = budget.bytesLeft() + headers
  const { buffer, engine } = await inflated(gunzip, bytes, most).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_BUFFER_TOO_LARGE') budget.takeBytes(budget.bytesLeft() + 1)
    throw archiveFault('damaged', `The gzip archive is damaged or cut off: ${error.message.slice(0, 160)}.`)
  })
  if (engine.bytesWritten !== bytes.length) {
    throw archiveFault('trailing_bytes', 'The gzip archive has bytes behind its end.')
  }
  return buffer
}

function isZip (bytes: Buffer): boolean {
  return bytes.length >= 22 && ['PK\x03\x04', 'PK\x05\x06'].includes(bytes.toString('latin1', 0, 4))
}

function isGzip (bytes: Buffer): boolean {
  return bytes.length >= 18 && bytes[0] === 0x1f && bytes[1] === 0x8b
}

function isTar (bytes: Buffer): boolean {
  return bytes.length >= 512 && bytes.toString('latin1', 257, 262) === 'ustar'
}

/** Archives for tests, byte by byte: also those that no good program writes. */
import { crc32, deflateRawSync, gzipSync } from 'node:zlib'

/** A good SKILL.md. */
export function skillFile (name = 'pdf-forms', more = ''): string {
  return `---\nname: ${name}\ndescription: Fills in PDF forms.\n${more}---\n# How\nRead the form first.\n`
}

export interface TarEntry {
  name: string
  content?: string | Buffer
  /** The type flag; a file, if absent. */
  type?: string
  link?: string
  /** What the header says instead of the size. */
  size?: number
  /** The format: that of POSIX, if absent. */
  format?: string
  /** The beginning of the name, as that format has it. */
  prefix?: string
}

/** Entries without the end mark. */
export function tarEntries (entries: readonly TarEntry[]): Buffer {
  return Buffer.concat(entries.flatMap(entry => {
    const { name, content = '', type = '0', link = '', size, format = 'ustar\x0000', prefix = '' } = entry
    const body = Buffer.from(content)
    const header = Buffer.alloc(512)
    header.write(name, 0, 100)
    header.write('0000644\0', 100)
    header.write('0000000\0', 108)
    header.write('0000000\0', 116)
    header.write(`${(size ?? body.length).toString(8).padStart(11, '0')}\0`, 124)
    header.write('00000000000\0', 136)
    header.write('        ', 148)
    header.write(type, 156)
    header.write(link, 157, 100)
    header.write(format, 257)
    header.write(prefix, 345)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    return [header, body, Buffer.alloc((512 - body.length % 512) % 512)]
  }))
}

/** A tar archive. */
export function tar (entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([tarEntries(entries), Buffer.alloc(1024)])
}

export function tarGz (entries: readonly TarEntry[]): Buffer {
  return gzipSync(tar(entries))
}

export interface ZipEntry {
  name: string
  content?: string | Buffer
  /** The name before the data, if it is another one. */
  localName?: string
  /** The type and permissions of Unix. */
  mode?: number
  flags?: number
  method?: number
  /** What the headers say instead of the sizes and the checksum. */
  says?: { size?: number, compressed?: number, crc?: number }
  /** The number of an earlier entry whose bytes this one names as its own. */
  sameAs?: number
  /** Extra fields of the header before the data. */
  localExtra?: Buffer
  /** What stands behind the end of the compressed data, and counts as data. */
  behind?: Buffer
  /** What stands behind the data, as a data descriptor. */
  descriptor?: Buffer
}

const nothing = Buffer.alloc(0)

/** A zip archive; `comment` stands behind it, `gap` between the entries and the directory. */
export function zip (entries: readonly ZipEntry[], { comment = '', gap = nothing } = {}): Buffer {
  const locals: Buffer[] = []
  const central: Buffer[] = []
  const offsets: number[] = []
  let at = 0
  for (const entry of entries) {
    const { name, content = '', localName = name, mode = 0o100644, sameAs } = entry
    const { flags = 0x800, method = 8, says = {}, behind = nothing, localExtra = nothing, descriptor = nothing } = entry
    const body = Buffer.from(content)
    const data = method === 8 ? Buffer.concat([deflateRawSync(body), behind]) : body
    const shared = Buffer.alloc(26)
    shared.writeUInt16LE(20, 0)
    shared.writeUInt16LE(flags, 2)
    shared.writeUInt16LE(method, 4)
    shared.writeUInt16LE(0x21, 8)
    shared.writeUInt32LE(says.crc ?? crc32(body), 10)
    shared.writeUInt32LE(says.compressed ?? data.length, 14)
    shared.writeUInt32LE(says.size ?? body.length, 18)
    const offset = sameAs === undefined ? at : offsets[sameAs]!
    offsets.push(offset)
    if (sameAs === undefined) {
      const local = Buffer.from(shared)
      local.writeUInt16LE(Buffer.byteLength(localName), 22)
      local.writeUInt16LE(localExtra.length, 24)
      const parts = [
        Buffer.from('PK\x03\x04', 'latin1'), local, Buffer.from(localName), localExtra, data, descriptor
      ]
      locals.push(...parts)
      at += parts.reduce((total, { length }) => total + length, 0)
    }
    shared.writeUInt16LE(Buffer.byteLength(name), 22)
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(mode * 0x10000, 6)
    tail.writeUInt32LE(offset, 10)
    central.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), shared, tail, Buffer.from(name))
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(entries.length, 4)
  end.writeUInt16LE(entries.length, 6)
  end.writeUInt32LE(directory.length, 8)
  end.writeUInt32LE(at + gap.length, 12)
  end.writeUInt16LE(comment.length, 16)
  return Buffer.concat([
    ...locals, gap, directory, Buffer.from('PK\x05\x06', 'latin1'), end, Buffer.from(comment, 'latin1')
  ])
}

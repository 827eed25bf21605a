/**
 * A module proxy of the files of this repository, so that `go get` installs clients/go as it would from the internet
 * (https://go.dev/ref/mod#goproxy-protocol).
 */
import { globSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { crc32 } from 'node:zlib'
import { foreignProgram, missing, type ForeignProgram } from './foreign-programs.ts'
import { run } from './running-server.ts'

const root = join(import.meta.dirname, '../..')
const modulePath = 'github.com/latchkey/latchkey/clients/go'
const version = 'v0.0.1'

/** The files of the module, by their path in it. */
export const moduleFolder = join(root, 'clients/go')

/** The `go` of this machine, if it is new enough for the module. */
export async function goFor (oldest: string): Promise<ForeignProgram> {
  const hint = `Go ${oldest} or newer, from https://go.dev/doc/install`
  const go = foreignProgram('go', hint)
  if (go.skip !== false) return go
  const version = (await run(go.path, ['env', 'GOVERSION'])).stdout.trim()
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(version) ?? []
  const [oldestMajor, oldestMinor] = oldest.split('.')
  const isNewEnough = Number(major) > Number(oldestMajor) ||
    (major === oldestMajor && Number(minor) >= Number(oldestMinor))
  return isNewEnough ? go : missing(`go (here: ${version})`, hint)
}

/** Writes the proxy into an empty folder; returns the environment of a `go` that knows it and no other. */
export async function goProxy (folder: string): Promise<Record<string, string>> {
  const place = join(folder, modulePath, '@v')
  await mkdir(place, { recursive: true })
  const names = globSync('**/*', { cwd: moduleFolder, withFileTypes: true }).filter(each => each.isFile())
    .map(each => join(each.parentPath, each.name))
  const files = await Promise.all(names.map(async name => ({
    name: `${modulePath}@${version}/${name.slice(moduleFolder.length + 1)}`, bytes: await readFile(name)
  })))
  await writeFile(join(place, 'list'), `${version}\n`)
  await writeFile(join(place, `${version}.info`), JSON.stringify({ Version: version, Time: '2026-01-01T00:00:00Z' }))
  await writeFile(join(place, `${version}.mod`), await readFile(join(moduleFolder, 'go.mod')))
  await writeFile(join(place, `${version}.zip`), zip(files))
  return { GOPROXY: pathToFileURL(folder).href, GONOSUMDB: '*', GOFLAGS: '-modcacherw', GOSUMDB: 'off' }
}

interface File { name: string, bytes: Buffer }

/** A ZIP archive without compression (APPNOTE 6.3). */
function zip (files: readonly File[]): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const { name, bytes } of files) {
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(0x21, 8)
    common.writeUInt32LE(crc32(bytes), 10)
    common.writeUInt32LE(bytes.length, 14)
    common.writeUInt32LE(bytes.length, 18)
    common.writeUInt16LE(Buffer.byteLength(name), 22)
    const end = Buffer.alloc(14)
    end.writeUInt32LE(offset, 10)
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), bytes])
    directory.push(Buffer.from('PK\x01\x02'), Buffer.from([20, 0]), common, end, Buffer.from(name))
    parts.push(local)
    offset += local.length
  }
  const central = Buffer.concat(directory)
  const last = Buffer.alloc(22)
  last.write('PK\x05\x06', 'latin1')
  last.writeUInt16LE(files.length, 8)
  last.writeUInt16LE(files.length, 10)
  last.writeUInt32LE(central.length, 12)
  last.writeUInt32LE(offset, 16)
  return Buffer.concat([...parts, central, last])
}

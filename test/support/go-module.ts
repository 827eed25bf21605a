/** The Go module of this repository, and the `go` that tests run it with. */
import { join } from 'node:path'
import { foreignProgram, missing, type ForeignProgram } from './foreign-programs.ts'
import { run } from './running-server.ts'

const root = join(import.meta.dirname, '../..')

/** The files of the module. */
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

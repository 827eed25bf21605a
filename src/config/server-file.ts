/**
 * `server.json`: where commands of this account find the server of a data folder, with the key by which that server
 * proves its identity.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { isLoopback } from './loopback.ts'
import { makeFolder } from '../base/private-folder.ts'
import { readOwn } from '../base/file-ownership.ts'
import { proofOf } from '../secrets/authentication-code.ts'
import { sameDigest } from '../secrets/digest.ts'
import { newSecret } from '../secrets/random.ts'

export interface LocalServer {
  url: string
  /** Known only to the running server and the file. Empty: written by a version without this proof. */
  key: string
}

const timeoutMs = 5_000

/** The request header of `GET /healthz` with the challenge, and the response header with the proof. */
export const challengeHeader = 'latchkey-challenge'
export const proofHeader = 'latchkey-proof'

/** The request header by which a command proves that it has read the file. */
export const commandHeader = 'latchkey-command'

function fileOf (dataFolder: string): string {
  return join(dataFolder, 'server.json')
}

/** The URL at which this machine reaches a server that listens on an address or host, also on a wildcard address. */
export function localUrl (host: string, port: number): string {
  const name = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host
  return `http://${isIP(name) === 6 ? `[${name}]` : name}:${port}`
}

/** Publishes the server's address to commands on this machine. @throws an error of the file system. */
export function writeServerFile (dataFolder: string, server: LocalServer): void {
  makeFolder(dataFolder)
  const file = fileOf(dataFolder)
  const part = `${file}.${process.pid}`
  // The old file may belong to another account, or be a link: it is replaced, never written to.
  rmSync(part, { force: true })
  writeFileSync(part, JSON.stringify(server) + '\n', { mode: 0o600, flag: 'wx' })
  renameSync(part, file)
}

/** Removes the file, unless another server has replaced it. Never throws: a file that stays behind proves nothing. */
export function removeServerFile (dataFolder: string, { key }: LocalServer): void {
  try {
    if (readServerFile(dataFolder)?.key === key) rmSync(fileOf(dataFolder), { force: true })
  } catch {
    // Damaged, or of another account: not this server's to remove.
  }
}

/** Null: there is no file. @throws ForeignFile; SyntaxError for a damaged file; an error of the file system. */
export function readServerFile (dataFolder: string): LocalServer | null {
  const text = readOwn(fileOf(dataFolder))
  if (text === null) return null
  const { url, key = '' } = Object(JSON.parse(text)) as Record<string, unknown>
  if (typeof url !== 'string' || !URL.canParse(url) || typeof key !== 'string') throw new SyntaxError('no server.json')
  return { url, key }
}

/**
 * Whether a server on this machine can have announced the address, which is then one of this machine's. A data folder
 * may be copied from elsewhere: its files must not send a token to another machine.
 */
export function isAnnounceable ({ url }: LocalServer): boolean {
  const { protocol, hostname } = new URL(url)
  const own = Object.values(networkInterfaces()).flatMap(each => each ?? [])
  const host = hostname.replace(/^\[|\]$/g, '')
  return protocol === 'http:' && (isLoopback(host) || own.some(({ address }) => address === host))
}

/**
 * Whether the server that wrote the file answers at its address. After that server has ended, another program may
 * listen there, even one of another account. @throws an error of `fetch` when nothing answers.
 */
export async function isAnswering ({ url, key }: LocalServer): Promise<boolean> {
  const challenge = newSecret()
  const headers = { [challengeHeader]: challenge }
  const signal = AbortSignal.timeout(timeoutMs)
  const response = await fetch(`${url}/healthz`, { headers, redirect: 'manual', signal })
  await response.body?.cancel()
  return key !== '' && sameDigest(response.headers.get(proofHeader) ?? '', proofOf(key, challenge))
}

/**
 * `server.json`: where commands of this account find the server of a data folder, and what it proves by that it is that
 * one.
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
  /** What the running server alone shares with the file. Empty: a version that proved nothing wrote it. */
  key: string
}

/** Milliseconds. */
const patience = 5_000

/** The request header of `GET /healthz` with what is to be answered to, and the response header with the answer. */
export const challengeHeader = 'latchkey-challenge'
export const proofHeader = 'latchkey-proof'

function fileOf (dataFolder: string): string {
  return join(dataFolder, 'server.json')
}

/**
 * The URL by which a program on this machine reaches a server that listens at an address or a host, wildcards included.
 */
export function localUrl (host: string, port: number): string {
  const name = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host
  return `http://${isIP(name) === 6 ? `[${name}]` : name}:${port}`
}

/** Tells commands on this machine where the server listens. @throws what the file system says. */
export function writeServerFile (dataFolder: string, server: LocalServer): void {
  makeFolder(dataFolder)
  const file = fileOf(dataFolder)
  const part = `${file}.${process.pid}`
  // A new file in the place of the old one, which may be another account's, or a link to something else.
  rmSync(part, { force: true })
  writeFileSync(part, JSON.stringify(server) + '\n', { mode: 0o600, flag: 'wx' })
  renameSync(part, file)
}

/**
 * Takes the file back, unless another server has written its own since. Never throws: a file that stays proves nothing.
 */
export function removeServerFile (dataFolder: string, { key }: LocalServer): void {
  try {
    if (readServerFile(dataFolder)?.key === key) rmSync(fileOf(dataFolder), { force: true })
  } catch {
    // It is damaged, or another account's: not this server's to remove.
  }
}

/**
 * Null: no server has written there. @throws ForeignFile; SyntaxError for a damaged file; what the file system says.
 */
export function readServerFile (dataFolder: string): LocalServer | null {
  const text = readOwn(fileOf(dataFolder))
  if (text === null) return null
  const { url, key = '' } = Object(JSON.parse(text)) as Record<string, unknown>
  if (typeof url !== 'string' || !URL.canParse(url) || typeof key !== 'string') throw new SyntaxError('no server.json')
  return { url, key }
}

/**
 * Whether the address is one that a server on this machine can have announced: it says on which of the machine's
 * addresses it listens. The files of a data folder may come from a stranger, and send no token to another machine.
 */
export function isAnnounceable ({ url }: LocalServer): boolean {
  const { protocol, hostname } = new URL(url)
  const own = Object.values(networkInterfaces()).flatMap(each => each ?? [])
  const host = hostname.replace(/^\[|\]$/g, '')
  return protocol === 'http:' && (isLoopback(host) || own.some(({ address }) => address === host))
}

/**
 * Whether what answers at the address is the server that wrote the file: after it has ended, another program may listen
 * there, another account's, too. @throws what `fetch` throws when nothing answers.
 */
export async function isAnswering ({ url, key }: LocalServer): Promise<boolean> {
  const challenge = newSecret()
  const headers = { [challengeHeader]: challenge }
  const signal = AbortSignal.timeout(patience)
  const response = await fetch(`${url}/healthz`, { headers, redirect: 'manual', signal })
  await response.body?.cancel()
  return key !== '' && sameDigest(response.headers.get(proofHeader) ?? '', proofOf(key, challenge))
}

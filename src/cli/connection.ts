/** The server that a command calls, and its credential. */
import { join } from 'node:path'
import { readClientEnvironment, type ClientEnvironment } from '../config/client-environment.ts'
import { isAnnounceable, readServerFile, type LocalServer } from '../config/server-file.ts'
import { ForeignFile, readOwn } from '../base/file-ownership.ts'
import { CommandError } from './failure.ts'

export interface Connection {
  /** The origin of the server, or the URL of its management API, if that has another path; no trailing slash. */
  url: string
  token: string
  /** The server that must answer at the address before it gets the token; null: the caller named the address. */
  local: LocalServer | null
}

/** Options of every command. */
export interface GlobalOptions { url?: string, token?: string, json?: boolean }

/**
 * Options come first, then the environment, then the files of a local server in its data folder. The admin token, from
 * the environment or the folder, is only sent to that local server. No token is sent to an address that another account
 * may have written.
 * @throws CommandError naming what is missing and the remedy.
 */
export function findConnection (options: GlobalOptions, environment = readClientEnvironment()): Connection {
  if (environment.problems.length > 0) throw new CommandError(environment.problems.join('\n'))
  const named = options.url ?? environment.url
  const chosen = options.token ?? environment.token
  // With both URL and token given, the data folder is not read: a folder of another account must not matter.
  const local = named !== null && chosen !== null ? { server: null, token: null } : readFolder(environment)
  const localUrl = local.server === null ? null : readUrl(local.server.url)
  const url = named === null ? localUrl : readUrl(named)
  if (url === null) {
    throw new CommandError(
      `No server found: there is none in ${environment.dataFolder}. Start one with \`npx latchkey serve\`, or name ` +
        'one with --url or LATCHKEY_URL.'
    )
  }
  const token = chosen ?? (url === localUrl ? local.token : null)
  if (token === null) {
    throw new CommandError(`No token for ${url}: set LATCHKEY_TOKEN, or pass --token.`)
  }
  return { url, token: requireToken(token), local: named === null || chosen === null ? local.server : null }
}

/** The server that wrote to the folder, and its admin token: from the variable, else from the file. */
function readFolder (
  { dataFolder, adminToken }: ClientEnvironment
): { server: LocalServer | null, token: string | null } {
  const tokenFile = join(dataFolder, 'admin-token')
  const serverFile = join(dataFolder, 'server.json')
  const server = readOrExplain(serverFile, () => readServerFile(dataFolder))
  if (server !== null && !isAnnounceable(server)) {
    throw new CommandError(
      `${serverFile} names ${server.url}, which is not an http address of this machine: no token is sent there. ` +
      'If it is right, name it with --url and --token.'
    )
  }
  return {
    server,
    token: adminToken ?? readOrExplain(tokenFile, () => readOwn(tokenFile)?.trim() || null),
  }
}

/** @throws CommandError if the file cannot be read. */
function readOrExplain<T> (file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (error instanceof SyntaxError) {
      throw new CommandError(`${file} is damaged: remove it and start the server again, or name the server with --url.`)
    }
    if (error instanceof ForeignFile) {
      throw new CommandError(
        `${error.message}: it is not trusted. Use the account that runs the server, or name the server with ` +
        'LATCHKEY_URL and LATCHKEY_TOKEN.'
      )
    }
    throw new CommandError(
      `${file} cannot be read (${code}): use the account that runs the server, or LATCHKEY_URL and LATCHKEY_TOKEN.`
    )
  }
}

function readUrl (text: string): string {
  const url = URL.parse(text)
  const isPlain = url !== null && [url.search, url.hash, url.username, url.password].every(part => part === '')
  if (!isPlain || !/^https?:$/.test(url.protocol)) {
    throw new CommandError('The server\'s URL is not a URL: write it like https://auth.example.com.')
  }
  return url.href.replace(/(?<!\/)\/+$/, '')
}

/** Checked here: the error message of fetch would contain a token that a header cannot carry. */
function requireToken (text: string): string {
  const token = text.trim()
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw new CommandError('The token is empty or has characters that tokens cannot have; copy it again.')
}

/** Where a command finds its server and what it proves itself with. */
import { join } from 'node:path'
import { readClientEnvironment, type ClientEnvironment } from '../config/config.ts'
import { isAnnounceable, readServerFile, type LocalServer } from '../config/server-file.ts'
import { ForeignFile, readOwn } from '../base/file-ownership.ts'
import { CommandError } from './failure.ts'

export interface Connection {
  /** An origin, perhaps with a path; no trailing slash. */
  url: string
  token: string
  /** What answers at the address has to be this before it is sent the token; null: the caller has named the address. */
  local: LocalServer | null
}

/** The options that every command takes. */
export interface GlobalOptions { url?: string, token?: string, json?: boolean }

/**
 * Options first, then the environment, then what a local server left in its data folder. Its admin token, from the
 * environment or from the folder, is sent to the local server and to no other, and no token to an address that another
 * account may have written there.
 * @throws CommandError saying what is missing and where to get it.
 */
export function findConnection (options: GlobalOptions, environment = readClientEnvironment()): Connection {
  const named = options.url ?? environment.url
  const chosen = options.token ?? environment.token
  // A folder that is not ours is not looked into where everything was said: whatever it names is no business of this
  // command.
  const local = named !== null && chosen !== null ? { server: null, token: null } : readFolder(environment)
  const localUrl = local.server === null ? null : readUrl(local.server.url)
  const url = named === null ? localUrl : readUrl(named)
  if (url === null) {
    throw new CommandError(
      `No server is known: there is none in ${environment.dataFolder}. Start one with \`npm start\`, or name one ` +
        'with --url or LATCHKEY_URL.'
    )
  }
  const token = chosen ?? (url === localUrl ? local.token : null)
  if (token === null) {
    throw new CommandError(`There is no token for ${url}: set LATCHKEY_TOKEN, or pass --token.`)
  }
  return { url, token: requireToken(token), local: named === null || chosen === null ? local.server : null }
}

/** The server that wrote there, and its token as it reads it: the variable first, else the file. */
function readFolder (
  { dataFolder, adminToken }: ClientEnvironment
): { server: LocalServer | null, token: string | null } {
  const tokenFile = join(dataFolder, 'admin-token')
  const serverFile = join(dataFolder, 'server.json')
  const server = readOrExplain(serverFile, () => readServerFile(dataFolder))
  if (server !== null && !isAnnounceable(server)) {
    throw new CommandError(
      `${serverFile} names ${server.url}, where no server of this machine listens: no token is sent there. If it is ` +
      'the ' +
      'right one, name it with --url and --token.'
    )
  }
  return {
    server,
    token: adminToken ?? readOrExplain(tokenFile, () => readOwn(tokenFile)?.trim() || null),
  }
}

/** @throws CommandError for what keeps a file from being read. */
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
        `${error.message}: what it says is not gone by. Use the account that runs the server, or name it with ` +
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
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw new CommandError('The server\'s URL is not one: write it like https://auth.example.com.')
  }
  return url.href.replace(/(?<!\/)\/+$/, '')
}

/** Checked here, because fetch would repeat a token that cannot travel in a header in its error message. */
function requireToken (text: string): string {
  const token = text.trim()
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw new CommandError('The token is empty or has characters that no token has; copy it again.')
}

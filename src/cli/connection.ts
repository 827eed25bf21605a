/** Where a command finds its server and what it proves itself with. */
import { join } from 'node:path'
import { isAnnounceable, readClientEnvironment, type ClientEnvironment } from '../config.ts'
import { ForeignFile, readOwn } from '../ownership.ts'
import { CommandError } from './failure.ts'

export interface Connection {
  /** An origin, perhaps with a path; no trailing slash. */
  url: string
  token: string
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
  // A folder that is not ours is not looked into where everything was said: whatever it names is no business of this command.
  const local = named !== null && chosen !== null ? { url: null, token: null } : readLocalServer(environment)
  const url = named === null ? local.url : readUrl(named)
  if (url === null) {
    throw new CommandError(`No server is known: there is none in ${environment.dataFolder}. Start one with \`npm start\`, or name one with --url or LATCHKEY_URL.`)
  }
  const token = chosen ?? (url === local.url ? local.token : null)
  if (token === null) {
    throw new CommandError(`There is no token for ${url}: set LATCHKEY_TOKEN, or pass --token.`)
  }
  return { url, token: requireToken(token) }
}

/** The token as the server reads it: the variable first, else the file. */
function readLocalServer ({ dataFolder, adminToken }: ClientEnvironment): { url: string | null, token: string | null } {
  const text = readIfThere(join(dataFolder, 'server.json'))
  return {
    url: text === null ? null : readAnnouncedUrl(text, dataFolder),
    token: adminToken ?? readIfThere(join(dataFolder, 'admin-token')),
  }
}

function readAnnouncedUrl (text: string, folder: string): string {
  const file = join(folder, 'server.json')
  const url = announcedIn(text)
  if (url === null) {
    throw new CommandError(`${file} is damaged: remove it and start the server again, or name the server with --url.`)
  }
  if (isAnnounceable(new URL(url))) return url
  throw new CommandError(
    `${file} names ${url}, where no server of this machine listens: no token is sent there. If it is the right one, ` +
    'name it with --url or LATCHKEY_URL.'
  )
}

/** Null: it is not what a server writes. */
function announcedIn (text: string): string | null {
  try {
    return readUrl((JSON.parse(text) as { url: string }).url)
  } catch {
    return null
  }
}

function readIfThere (file: string): string | null {
  try {
    return readOwn(file)?.trim() || null
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (error instanceof ForeignFile) throw new CommandError(`${error.message}: what it says is not gone by. Use the account that runs the server, or name it with LATCHKEY_URL and LATCHKEY_TOKEN.`)
    throw new CommandError(`${file} cannot be read (${code}): use the account that runs the server, or LATCHKEY_URL and LATCHKEY_TOKEN.`)
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

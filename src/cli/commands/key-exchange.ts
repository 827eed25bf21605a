/** `latchkey key exchange`: an API key for an access token with less (RFC 8693). */
import { text as contentOf } from 'node:stream/consumers'
import { Command } from 'commander'
import { calling, readCount, scopeOption } from '../command.ts'
import { findConnection, type Connection, type GlobalOptions } from '../connection.ts'
import { UsageError } from '../failure.ts'
import { fieldLines } from '../print.ts'

interface Exchanged { access_token: string, expires_in: number, scope?: string }

interface ExchangeFlags extends GlobalOptions { resource?: string, scope?: string[], expiresIn?: string }

export function keyExchangeCommand (): Command {
  return new Command('exchange').description('exchange the API key in use for an access token with less')
    .argument('[key]', '- to read the key from standard input; default: the key in LATCHKEY_TOKEN')
    .option('--resource <identifier>', 'the API; default: that of the key')
    .addOption(scopeOption('a scope; repeat it for several; default: all that tokens may have of the key'))
    .option('--expires-in <seconds>', 'how long the token lives; default: as long as it may', readCount)
    .action(calling<Exchanged, ExchangeFlags>(
      showToken, (api, { resource, scope, expiresIn }) => api.exchange({
        ...(resource === undefined ? {} : { resource }),
        ...(scope === undefined ? {} : { scope: scope.join(' ') }),
        ...(expiresIn === undefined ? {} : { expires_in: expiresIn })
      }), withKey
    ))
}

/** Not as an argument: those are kept in the history of a shell, and shown to every user of the machine. */
async function withKey (flags: ExchangeFlags, source: string): Promise<Connection> {
  if (source === '') return findConnection(flags)
  if (source !== '-') {
    throw new UsageError('The key is read from standard input (latchkey key exchange -) or from LATCHKEY_TOKEN.')
  }
  return findConnection({ ...flags, token: await contentOf(process.stdin) })
}

function showToken ({ access_token: token, expires_in: seconds, scope }: Exchanged): string {
  return fieldLines([['access token', token], ['expires', `in ${seconds} seconds`], ['scopes', scope ?? 'none']])
}

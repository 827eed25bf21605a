/** `latchkey backup FILE`: copies the SQLite database, also while its server runs. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import { ConfigurationError } from '../../base/errors.ts'
import { CommandError } from '../failure.ts'

export function backupCommand (): Command {
  return new Command('backup').description('copy the SQLite database to a new file, also while the server runs')
    .argument('<file>', 'the new file; it must not exist')
    .action(async (file: string) => {
      const target = resolve(file)
      try {
        await (await import('../../server/offline-commands.ts')).backupOnly(target)
      } catch (error) {
        throw error instanceof ConfigurationError ? new CommandError(error.problems.join('\n')) : error
      }
      process.stdout.write(
        `${target}\nKeep LATCHKEY_SECRET too, in another place: without it the signing keys in the copy cannot be ` +
          'decrypted.\n'
      )
    })
}

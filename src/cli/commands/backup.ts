import { resolve } from 'node:path'
import { Command } from 'commander'
import { ConfigurationError } from '../../base/errors.ts'
import { CommandError } from '../failure.ts'

/** `latchkey backup FILE`: a copy of the SQLite database as it is now, also while its server runs. */
export function backupCommand (): Command {
  return new Command('backup').description('copy the SQLite database into a new file, while the server may run')
    .argument('<file>', 'the new file; never one that is there')
    .action(async (file: string) => {
      const target = resolve(file)
      try {
        await (await import('../../server/offline-commands.ts')).backupOnly(target)
      } catch (error) {
        throw error instanceof ConfigurationError ? new CommandError(error.problems.join('\n')) : error
      }
      process.stdout.write(
        `${target}\nKeep LATCHKEY_SECRET beside it, in another place: without it the signing keys in there cannot be ` +
          'opened.\n'
      )
    })
}

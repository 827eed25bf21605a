/** `latchkey serve` and `latchkey migrate`: the commands that run without a server. */
import { Command } from 'commander'

/** Loads the server on demand: other commands start faster without it. */
export function serveCommand (): Command {
  return new Command('serve').description('run the server')
    .action(async () => await (await import('../../server/serve.ts')).serve())
}

export function migrateCommand (): Command {
  return new Command('migrate').description('migrate the database to this version, and exit')
    .option(
      '--end-resource <id>', 'revoke one of two resources with the same URL; repeat it for several',
      (id: string, before: readonly string[] = []) => [...before, id]
    )
    .action(async ({ endResource = [] }: { endResource?: string[] }) =>
      await (await import('../../server/offline-commands.ts')).migrateOnly(endResource)
    )
}

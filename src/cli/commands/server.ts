import { Command } from 'commander'

/** `latchkey serve`. The server is loaded only when it is wanted: the other commands start faster without it. */
export function serveCommand (): Command {
  return new Command('serve').description('run the server')
    .action(async () => await (await import('../../server/serve.ts')).serve())
}

/** `latchkey migrate` */
export function migrateCommand (): Command {
  return new Command('migrate').description('bring the database up to this version, and stop')
    .option(
      '--end-resource <id>', 'end one of two resources that are one URL; repeat it for several',
      (id: string, before: readonly string[] = []) => [...before, id]
    )
    .action(async ({ endResource = [] }: { endResource?: string[] }) =>
      await (await import('../../server/offline-commands.ts')).migrateOnly(endResource)
    )
}

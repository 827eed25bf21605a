import { Command } from 'commander'

/** `latchkey serve`. The server is loaded only when it is wanted: the other commands start faster without it. */
export function serveCommand (): Command {
  return new Command('serve').description('run the server')
    .action(async () => await (await import('../app.ts')).serve())
}

/** `latchkey migrate` */
export function migrateCommand (): Command {
  return new Command('migrate').description('bring the database up to this version, and stop')
    .action(async () => await (await import('../app.ts')).migrateOnly())
}

/** The program: its global options, and the commands that it loads. */
import { Command } from 'commander'
import { readClientEnvironment } from '../config/client-environment.ts'
import { version } from '../config/version.ts'
import { confirming } from './confirmation.ts'
import { printable } from './print.ts'
import { migrateCommand, serveCommand } from './commands/server.ts'

/**
 * The program for a command line that starts with `first`. It throws where commander would exit. `serve` and `migrate`
 * do not load the other commands, which saves memory of a server.
 */
export async function program (first: string | undefined): Promise<Command> {
  const root = new Command('latchkey')
    .description('An authorization server for machines.')
    .version(version, '--version')
    .option('--url <url>', 'the server; default: LATCHKEY_URL, else the local server')
    .option('--token <token>', 'the credential; default: LATCHKEY_TOKEN, which `ps` does not show, else the local ' +
      'admin token')
    .option('--json', 'print the API\'s answer unchanged')
    .hook('preAction', (_root, action) => { nameUnknownVariables(action) })
  const own = [serveCommand(), migrateCommand()]
  const others = own.some(command => command.name() === first) ? [] : (await import('./commands.ts')).commands()
  for (const command of [...own, ...others]) root.addCommand(command)
  return throwing(confirming(root))
}

/** Names unknown variables on stderr. A server logs them itself, and doctor reports them. */
function nameUnknownVariables (action: Command): void {
  if (['serve', 'doctor'].includes(action.name())) return
  const { unknownVariables } = readClientEnvironment()
  for (const sentence of unknownVariables) process.stderr.write(`latchkey: ${printable(sentence)}\n`)
}

/** main.ts alone decides the exit code. Set on each command: added commands do not inherit it. */
function throwing (command: Command): Command {
  command.exitOverride().showHelpAfterError('Add --help for its arguments and options.')
  command.commands.forEach(throwing)
  return command
}

/** The command line on one screen. */
import { Command } from 'commander'
import { readClientEnvironment } from '../config/client-environment.ts'
import { version } from '../config/version.ts'
import { confirming } from './confirmation.ts'
import { printable } from './print.ts'
import { migrateCommand, serveCommand } from './commands/server.ts'

/**
 * `latchkey`, ready to parse a line that begins with `first`. It throws where commander would have ended the process. A
 * server, which has its memory for long, is spared the other commands.
 */
export async function program (first: string | undefined): Promise<Command> {
  const root = new Command('latchkey')
    .description('An authorization server for machines.')
    .version(version, '--version')
    .option('--url <url>', 'the server; else LATCHKEY_URL, else the one that runs here')
    .option('--token <token>', 'what to prove oneself with; better in LATCHKEY_TOKEN, where `ps` does not show it; ' +
      'else the local admin token')
    .option('--json', 'print the API\'s answer as it is')
    .hook('preAction', (_root, action) => { nameUnknownVariables(action) })
  const own = [serveCommand(), migrateCommand()]
  const others = own.some(command => command.name() === first) ? [] : (await import('./commands.ts')).commands()
  for (const command of [...own, ...others]) root.addCommand(command)
  return throwing(confirming(root))
}

/** On stderr, ahead of what the command does without them. The log of a server has them, and doctor finds them. */
function nameUnknownVariables (action: Command): void {
  if (['serve', 'doctor'].includes(action.name())) return
  const { unknownVariables } = readClientEnvironment()
  for (const sentence of unknownVariables) process.stderr.write(`latchkey: ${printable(sentence)}\n`)
}

/** Exit is decided in one place, main.ts. A command has to be told on its own: it does not inherit when it is added. */
function throwing (command: Command): Command {
  command.exitOverride().showHelpAfterError('Add --help to see what it takes.')
  command.commands.forEach(throwing)
  return command
}

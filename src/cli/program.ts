/** The command line on one screen. */
import { Command } from 'commander'
import { version } from '../config.ts'
import { accessCommands } from './access.ts'
import { accessTokenCommands } from './access-token.ts'
import { keyCommands } from './api-key.ts'
import { auditCommands } from './audit.ts'
import { backupCommand } from './backup.ts'
import { clientCommands } from './client.ts'
import { confirming } from './confirmation.ts'
import { doctorCommand } from './doctor.ts'
import { groupCommands } from './group.ts'
import { mcpServerCommands } from './mcp-server.ts'
import { memberCommands } from './member.ts'
import { organizationCommands } from './organization.ts'
import { policyCommands } from './policy.ts'
import { whoamiCommand } from './principal.ts'
import { publishableKeyCommands } from './publishable-key.ts'
import { registrationTokenCommands } from './registration-token.ts'
import { replicasCommand } from './replica.ts'
import { resourceCommands } from './resource.ts'
import { migrateCommand, serveCommand } from './server.ts'
import { signingKeyCommands } from './signing-key.ts'
import { webhookTokenCommands } from './webhook-token.ts'

/** `latchkey`, ready to parse. It throws where commander would have ended the process. */
export function program (): Command {
  const root = new Command('latchkey')
    .description('An authorization server for machines.')
    .version(version, '--version')
    .option('--url <url>', 'the server; else LATCHKEY_URL, else the one that runs here')
    .option('--token <token>', 'what to prove oneself with; better in LATCHKEY_TOKEN, where `ps` does not show it; else the local admin token')
    .option('--json', 'print the API\'s answer as it is')
  const commands = [
    serveCommand(), migrateCommand(), doctorCommand(), backupCommand(), organizationCommands(), memberCommands(), groupCommands(), policyCommands(), accessCommands(),
    resourceCommands(), clientCommands(), keyCommands(), publishableKeyCommands(), webhookTokenCommands(), registrationTokenCommands(), accessTokenCommands(),
    mcpServerCommands(), signingKeyCommands(), auditCommands(), replicasCommand(), whoamiCommand(),
  ]
  for (const command of commands) root.addCommand(command)
  return throwing(confirming(root))
}

/** Exit is decided in one place, main.ts. A command has to be told on its own: it does not inherit when it is added. */
function throwing (command: Command): Command {
  command.exitOverride().showHelpAfterError('Add --help to see what it takes.')
  command.commands.forEach(throwing)
  return command
}

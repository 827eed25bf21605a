/** What `latchkey` does besides running a server. */
import type { Command } from 'commander'
import { accessCommands } from './commands/access.ts'
import { accessTokenCommands } from './commands/access-token.ts'
import { keyCommands } from './commands/api-key.ts'
import { auditCommands } from './commands/audit.ts'
import { backupCommand } from './commands/backup.ts'
import { clientCommands } from './commands/client.ts'
import { doctorCommand } from './commands/doctor.ts'
import { groupCommands } from './commands/group.ts'
import { mcpServerCommands } from './commands/mcp-server.ts'
import { memberCommands } from './commands/member.ts'
import { organizationCommands } from './commands/organization.ts'
import { policyCommands } from './commands/policy.ts'
import { whoamiCommand } from './commands/principal.ts'
import { publishableKeyCommands } from './commands/publishable-key.ts'
import { registrationTokenCommands } from './commands/registration-token.ts'
import { replicasCommand } from './commands/replica.ts'
import { resourceCommands } from './commands/resource.ts'
import { signingKeyCommands } from './commands/signing-key.ts'
import { webhookTokenCommands } from './commands/webhook-token.ts'

export function commands (): Command[] {
  return [
    doctorCommand(),
    backupCommand(),
    organizationCommands(),
    memberCommands(),
    groupCommands(),
    policyCommands(),
    accessCommands(),
    resourceCommands(),
    clientCommands(),
    keyCommands(),
    publishableKeyCommands(),
    webhookTokenCommands(),
    registrationTokenCommands(),
    accessTokenCommands(),
    mcpServerCommands(),
    signingKeyCommands(),
    auditCommands(),
    replicasCommand(),
    whoamiCommand()
  ]
}

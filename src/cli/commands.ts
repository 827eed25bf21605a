/** What `latchkey` does besides running a server. */
import type { Command } from 'commander'
import { accessCommands } from './access.ts'
import { accessTokenCommands } from './access-token.ts'
import { keyCommands } from './api-key.ts'
import { auditCommands } from './audit.ts'
import { backupCommand } from './backup.ts'
import { clientCommands } from './client.ts'
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
import { signingKeyCommands } from './signing-key.ts'
import { webhookTokenCommands } from './webhook-token.ts'

export function commands (): Command[] {
  return [
    doctorCommand(), backupCommand(), organizationCommands(), memberCommands(), groupCommands(), policyCommands(), accessCommands(),
    resourceCommands(), clientCommands(), keyCommands(), publishableKeyCommands(), webhookTokenCommands(), registrationTokenCommands(), accessTokenCommands(),
    mcpServerCommands(), signingKeyCommands(), auditCommands(), replicasCommand(), whoamiCommand(),
  ]
}

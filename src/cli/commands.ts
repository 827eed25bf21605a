/** The commands of `latchkey` besides `serve` and `migrate`, in the order of its help. */
import type { Command } from 'commander'
import { accessCommands } from './commands/access.ts'
import { accessTokenCommands } from './commands/access-token.ts'
import { keyCommands } from './commands/api-key.ts'
import { auditCommands } from './commands/audit.ts'
import { authorizationCommands } from './commands/authorization.ts'
import { backupCommand } from './commands/backup.ts'
import { budgetCommands } from './commands/budget.ts'
import { clientApprovalCommands } from './commands/client-approval.ts'
import { clientCommands } from './commands/client.ts'
import { doctorCommand } from './commands/doctor.ts'
import { explainCommand, keyRequestsCommand } from './commands/explain.ts'
import { groupCommands } from './commands/group.ts'
import { mcpServerCommands } from './commands/mcp-server.ts'
import { keyExchangeCommand } from './commands/key-exchange.ts'
import { importFileCommand } from './commands/key-import.ts'
import { identityProviderCommands } from './commands/identity-provider.ts'
import { invitationCommands } from './commands/invitation.ts'
import { memberCommands } from './commands/member.ts'
import { organizationCommands } from './commands/organization.ts'
import { organizationTemplateCommands } from './commands/organization-template.ts'
import { policyCommands } from './commands/policy.ts'
import { whoamiCommand } from './commands/principal.ts'
import { providerKeyCommands } from './commands/provider-key.ts'
import { publishableKeyCommands } from './commands/publishable-key.ts'
import { registrationTokenCommands } from './commands/registration-token.ts'
import { replicasCommand } from './commands/replica.ts'
import { resourceCommands } from './commands/resource.ts'
import { signingKeyCommands } from './commands/signing-key.ts'
import { skillCommands } from './commands/skill.ts'
import { sourceCommands } from './commands/third-party-source.ts'
import { trustedIssuerCommands } from './commands/trusted-issuer.ts'
import { authorizationUsageCommand, creditsCommand, keyUsageCommand } from './commands/usage.ts'
import { webhookTokenCommands } from './commands/webhook-token.ts'
import { workloadRuleCommands } from './commands/workload-rule.ts'

export function commands (): Command[] {
  return [
    doctorCommand(),
    backupCommand(),
    withSubcommands(organizationCommands(), creditsCommand()),
    organizationTemplateCommands(),
    memberCommands(),
    invitationCommands(),
    identityProviderCommands(),
    groupCommands(),
    policyCommands(),
    accessCommands(),
    resourceCommands(),
    clientCommands(),
    clientApprovalCommands(),
    withSubcommands(authorizationCommands(), authorizationUsageCommand()),
    withSubcommands(keyCommands(), importFileCommand(), keyUsageCommand(), keyRequestsCommand(), keyExchangeCommand()),
    publishableKeyCommands(),
    webhookTokenCommands(),
    registrationTokenCommands(),
    accessTokenCommands(),
    mcpServerCommands(),
    skillCommands(),
    sourceCommands(),
    withSubcommands(trustedIssuerCommands(), ...workloadRuleCommands()),
    signingKeyCommands(),
    budgetCommands(),
    providerKeyCommands(),
    auditCommands(),
    explainCommand(),
    replicasCommand(),
    whoamiCommand()
  ]
}

/** Adds commands that are files of their own: files of commands do not import each other. */
function withSubcommands (command: Command, ...subcommands: readonly Command[]): Command {
  for (const subcommand of subcommands) command.addCommand(subcommand)
  return command
}

/** All repositories of the domain over one Prisma client. */
import type { ChainKeys } from '../../domain/audit/chain.ts'
import type { Repositories } from '../../domain/store.ts'
import { allowanceRepository } from '../tables/allowances.ts'
import { apiKeyRepository } from '../tables/api-keys.ts'
import { auditLog } from '../tables/audit/audit-log.ts'
import type { ChangeReport } from '../cache/changes.ts'
import { clientRepository } from '../tables/clients.ts'
import { creditRepository } from '../tables/credits.ts'
import { groupRepository } from '../tables/groups.ts'
import { lostChangeRepository } from '../tables/lost-changes.ts'
import { managementTokenRepository } from '../tables/management-tokens.ts'
import { memberRepository } from '../tables/members.ts'
import { organizationRepository } from '../tables/organizations.ts'
import { policyRepository } from '../tables/policies.ts'
import type { Queries } from '../engine/prisma.ts'
import { publishableKeyRepository } from '../tables/publishable-keys.ts'
import { registrationTokenRepository } from '../tables/registration-tokens.ts'
import { rememberedAnswerRepository } from '../tables/remembered-answers.ts'
import { resourceRepository } from '../tables/resources.ts'
import { revokedTokenRepository } from '../tables/revoked-tokens.ts'
import { signingKeyRepository } from '../tables/signing-keys.ts'
import { tokenUsageRepository } from '../tables/token-usage.ts'
import { usageRepository } from '../tables/usage.ts'
import { usedAssertions } from '../tables/used-assertions.ts'
import { webhookTokenRepository } from '../tables/webhook-tokens.ts'

/** `queries`: those of a transaction, or of none. `note` is called with each change. `keys` seal audit rows. */
export function repositoriesOver (queries: Queries, note: ChangeReport, keys: ChainKeys): Repositories {
  return {
    organizations: organizationRepository(queries, note),
    resources: resourceRepository(queries, note),
    clients: clientRepository(queries, note),
    members: memberRepository(queries, note),
    groups: groupRepository(queries, note),
    policies: policyRepository(queries, note),
    apiKeys: apiKeyRepository(queries, note),
    publishableKeys: publishableKeyRepository(queries, note),
    webhookTokens: webhookTokenRepository(queries, note),
    registrationTokens: registrationTokenRepository(queries, note),
    managementTokens: managementTokenRepository(queries, note),
    rememberedAnswers: rememberedAnswerRepository(queries),
    signingKeys: signingKeyRepository(queries, note),
    revokedTokens: revokedTokenRepository(queries, note),
    usedAssertions: usedAssertions(queries),
    credits: creditRepository(queries),
    allowances: allowanceRepository(queries),
    usage: usageRepository(queries),
    tokenUsage: tokenUsageRepository(queries),
    lostChanges: lostChangeRepository(queries, note),
    audit: auditLog(queries, keys),
  }
}

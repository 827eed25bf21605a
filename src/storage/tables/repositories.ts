import type { ChainKeys } from '../../domain/audit/chain.ts'
import type { Repositories } from '../../domain/store.ts'
import { allowanceRepository } from './allowances.ts'
import { apiKeyRepository } from './api-keys.ts'
import { auditLog } from './audit-log.ts'
import type { ChangeReport } from '../cache/changes.ts'
import { clientRepository } from './clients.ts'
import { creditRepository } from './credits.ts'
import { groupRepository } from './groups.ts'
import { lostChangeRepository } from './lost-changes.ts'
import { managementTokenRepository } from './management-tokens.ts'
import { memberRepository } from './members.ts'
import { organizationRepository } from './organizations.ts'
import { policyRepository } from './policies.ts'
import type { Queries } from '../engine/prisma.ts'
import { publishableKeyRepository } from './publishable-keys.ts'
import { registrationTokenRepository } from './registration-tokens.ts'
import { rememberedAnswerRepository } from './remembered-answers.ts'
import { resourceRepository } from './resources.ts'
import { revokedTokenRepository } from './revoked-tokens.ts'
import { signingKeyRepository } from './signing-keys.ts'
import { tokenUsageRepository } from './token-usage.ts'
import { usageRepository } from './usage.ts'
import { usedAssertions } from './used-assertions.ts'
import { webhookTokenRepository } from './webhook-tokens.ts'

/**
 * Every port of the domain over `queries`: those of a transaction, or those of no transaction in particular. `keys`
 * seal audit rows.
 */
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

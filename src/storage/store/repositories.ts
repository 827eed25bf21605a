/** All repositories of the domain over one Prisma client. */
import type { ChainKeys } from '../../domain/audit/chain.ts'
import type { Repositories } from '../../domain/store.ts'
import { allowanceRepository } from '../tables/allowances.ts'
import { apiKeyRepository } from '../tables/api-keys.ts'
import { authorizationRepository } from '../tables/authorizations.ts'
import { authorizationStepRepository } from '../tables/authorization-steps.ts'
import { auditLog } from '../tables/audit/audit-log.ts'
import type { ChangeReport } from '../cache/changes.ts'
import { budgetRepository } from '../tables/budgets.ts'
import { clientApprovalRepository } from '../tables/client-approvals.ts'
import { clientRepository } from '../tables/clients.ts'
import { consentRepository } from '../tables/consents.ts'
import { creditRepository } from '../tables/credits.ts'
import { emailDomainRepository } from '../tables/email-domains.ts'
import { groupRepository } from '../tables/groups.ts'
import { identityRepository } from '../tables/identities.ts'
import { invitationRepository } from '../tables/invitations.ts'
import { lostChangeRepository } from '../tables/lost-changes.ts'
import { managementTokenRepository } from '../tables/management-tokens.ts'
import { memberRepository } from '../tables/members.ts'
import { nameRepository } from '../tables/names.ts'
import { organizationRepository } from '../tables/organizations.ts'
import { organizationTemplateRepository } from '../tables/organization-templates.ts'
import { provisionRepository } from '../tables/provisions.ts'
import { passkeyRepository } from '../tables/passkeys.ts'
import { policyRepository } from '../tables/policies.ts'
import { personSessionRepository } from '../tables/person-sessions.ts'
import { providerKeyRepository } from '../tables/provider-keys.ts'
import type { Queries } from '../engine/prisma.ts'
import { publishableKeyRepository } from '../tables/publishable-keys.ts'
import { registrationTokenRepository } from '../tables/registration-tokens.ts'
import { rememberedAnswerRepository } from '../tables/remembered-answers.ts'
import { requestLogRepository } from '../tables/request-log.ts'
import { resourceRepository } from '../tables/resources.ts'
import { revokedTokenRepository } from '../tables/revoked-tokens.ts'
import { signingKeyRepository } from '../tables/signing-keys.ts'
import { signInLinkRepository } from '../tables/sign-in-links.ts'
import { reservationRepository } from '../tables/spend-reservations.ts'
import { spendLineRepository } from '../tables/spend-lines.ts'
import { spendTotalRepository } from '../tables/spend-totals.ts'
import { skillBundleRepository } from '../tables/skill-bundles.ts'
import { thirdPartySourceRepository } from '../tables/third-party-sources.ts'
import { tokenUsageRepository } from '../tables/token-usage.ts'
import { trustedIssuerRepository } from '../tables/trusted-issuers.ts'
import { trustedProviderRepository } from '../tables/trusted-providers.ts'
import { usageRepository } from '../tables/usage.ts'
import { usedAssertions } from '../tables/used-assertions.ts'
import { virtualKeyRepository } from '../tables/virtual-keys.ts'
import { webhookTokenRepository } from '../tables/webhook-tokens.ts'
import { workloadRuleRepository } from '../tables/workload-rules.ts'

/** `queries`: those of a transaction, or of none. `note` is called with each change. `keys` seal audit rows. */
export function repositoriesOver (queries: Queries, note: ChangeReport, keys: ChainKeys): Repositories {
  return {
    organizations: organizationRepository(queries, note),
    organizationTemplates: organizationTemplateRepository(queries),
    provisions: provisionRepository(queries),
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
    identities: identityRepository(queries),
    emailDomains: emailDomainRepository(queries),
    trustedProviders: trustedProviderRepository(queries),
    invitations: invitationRepository(queries),
    passkeys: passkeyRepository(queries),
    personSessions: personSessionRepository(queries),
    signInLinks: signInLinkRepository(queries),
    authorizations: authorizationRepository(queries, note),
    consents: consentRepository(queries),
    clientApprovals: clientApprovalRepository(queries),
    trustedIssuers: trustedIssuerRepository(queries, note),
    workloadRules: workloadRuleRepository(queries, note),
    authorizationSteps: authorizationStepRepository(queries),
    rememberedAnswers: rememberedAnswerRepository(queries),
    signingKeys: signingKeyRepository(queries, note),
    revokedTokens: revokedTokenRepository(queries, note),
    usedAssertions: usedAssertions(queries),
    credits: creditRepository(queries),
    allowances: allowanceRepository(queries),
    budgets: budgetRepository(queries),
    spendTotals: spendTotalRepository(queries),
    reservations: reservationRepository(queries),
    spendLines: spendLineRepository(queries),
    providerKeys: providerKeyRepository(queries),
    virtualKeys: virtualKeyRepository(queries),
    skillBundles: skillBundleRepository(queries),
    thirdPartySources: thirdPartySourceRepository(queries),
    usage: usageRepository(queries),
    tokenUsage: tokenUsageRepository(queries),
    requestLog: requestLogRepository(queries),
    names: nameRepository(queries),
    lostChanges: lostChangeRepository(queries, note),
    audit: auditLog(queries, keys),
  }
}

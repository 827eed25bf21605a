/**
 * The store as a whole: each concept's port in one place, and the transaction that spans them. A change and its audit
 * row are always written in one transaction. Implemented by storage/.
 */
import type { AuditLog } from './audit/log.ts'
import type { AllowanceRepository } from './metering/quota-lease.ts'
import type { ApiKeyRepository } from './credentials/api-key.ts'
import type { ClientRepository } from './credentials/client.ts'
import type { UsedAssertions } from './core/used-assertions.ts'
import type { CreditRepository } from './metering/credit.ts'
import type { GroupRepository } from './access/group.ts'
import type { LostChangeRepository } from './maintenance/lost-change.ts'
import type { ManagementTokenRepository } from './credentials/management-token.ts'
import type { MemberRepository } from './members/permissions.ts'
import type { OrganizationRepository } from './tenancy/organization.ts'
import type { PolicyRepository } from './policy/policy.ts'
import type { PublishableKeyRepository } from './credentials/publishable-key.ts'
import type { RegistrationTokenRepository } from './credentials/registration-token.ts'
import type { RememberedAnswerRepository } from './core/idempotency.ts'
import type { ResourceRepository } from './resources/resource.ts'
import type { SigningKeyRepository } from './tokens/signing-key.ts'
import type { RevokedTokenRepository } from './tokens/access-token.ts'
import type { TokenUsageRepository } from './tokens/issuance-meter.ts'
import type { UsageRepository } from './metering/key-usage-meter.ts'
import type { WebhookTokenRepository } from './credentials/webhook-token.ts'
import type { Isolation } from './core/operation.ts'

export interface Repositories {
  organizations: OrganizationRepository
  resources: ResourceRepository
  clients: ClientRepository
  members: MemberRepository
  groups: GroupRepository
  policies: PolicyRepository
  apiKeys: ApiKeyRepository
  publishableKeys: PublishableKeyRepository
  webhookTokens: WebhookTokenRepository
  registrationTokens: RegistrationTokenRepository
  managementTokens: ManagementTokenRepository
  rememberedAnswers: RememberedAnswerRepository
  signingKeys: SigningKeyRepository
  revokedTokens: RevokedTokenRepository
  usedAssertions: UsedAssertions
  credits: CreditRepository
  allowances: AllowanceRepository
  usage: UsageRepository
  tokenUsage: TokenUsageRepository
  lostChanges: LostChangeRepository
  audit: AuditLog
}

/**
 * Every method throws Failure `storage_unavailable` when the database cannot be reached in time, `storage_full` when it
 * has no room, and `conflict` when a unique value is taken.
 */
export interface Store extends Repositories {
  /**
   * Runs `work` in one serializable transaction: all of it is kept or none, and nobody saw a part. May run `work` again
   * when another transaction got in its way, so `work` has no effects but through `tx`. When the promise resolves, the
   * change is durable and every later check sees it; where there was nothing to change, every later check sees what was
   * so already. Inside, only `tx` may be used.
   */
  transaction<T> (work: (tx: Repositories) => Promise<T>, isolation?: Isolation): Promise<T>
}

/**
 * The store as a whole: the port of each concept in one place, and the transaction that spans them. A change and its
 * audit row are always written in one transaction. Implemented by storage/.
 */
import type { Transactional } from './core/operation.ts'
import type { GroupPort } from './access/group.ts'
import type { AuditPort } from './audit/log.ts'
import type { RememberedAnswerPort } from './core/idempotency.ts'
import type { NamePort } from './core/names.ts'
import type { UsedAssertionPort } from './core/used-assertions.ts'
import type { AuthorizationPort } from './authorizations/authorization.ts'
import type { AuthorizationStepPort } from './authorizations/authorization-step.ts'
import type { ClientApprovalPort } from './authorizations/client-approval.ts'
import type { ConsentPort } from './authorizations/consent.ts'
import type { ApiKeyPort } from './credentials/api-key.ts'
import type { ClientPort } from './credentials/client.ts'
import type { ManagementTokenPort } from './credentials/management-token.ts'
import type { PublishableKeyPort } from './credentials/publishable-key.ts'
import type { RegistrationTokenPort } from './credentials/registration-token.ts'
import type { WebhookTokenPort } from './credentials/webhook-token.ts'
import type { LostChangePort } from './maintenance/lost-change.ts'
import type { MemberPort } from './members/permissions.ts'
import type { CreditPort } from './metering/credit.ts'
import type { UsagePort } from './metering/usage-meter.ts'
import type { RequestLogPort } from './metering/request-log.ts'
import type { AllowancePort } from './metering/quota-lease.ts'
import type { IdentityPort } from './people/identity.ts'
import type { PasskeyPort } from './people/passkey.ts'
import type { PersonSessionPort } from './people/person-session.ts'
import type { SignInLinkPort } from './people/sign-in-link.ts'
import type { PolicyPort } from './policy/policy.ts'
import type { EmailDomainPort } from './providers/email-domain.ts'
import type { InvitationPort } from './providers/invitation.ts'
import type { TrustedProviderPort } from './people/provider-trust.ts'
import type { SkillBundlePort } from './registries/skill-bundle.ts'
import type { ThirdPartySourcePort } from './registries/third-party-source.ts'
import type { ResourcePort } from './resources/resource.ts'
import type { ProvisionPort } from './partners/provision.ts'
import type { BudgetPort } from './spending/budget.ts'
import type { ProviderKeyPort } from './spending/provider-key.ts'
import type { SpendPort } from './spending/reservation.ts'
import type { VirtualKeyPort } from './spending/virtual-key.ts'
import type { OrganizationPort } from './tenancy/organization.ts'
import type { OrganizationTemplatePort } from './tenancy/organization-template.ts'
import type { RevokedTokenPort } from './tokens/access-token.ts'
import type { TokenUsagePort } from './tokens/issuance-meter.ts'
import type { SigningKeyPort } from './tokens/signing-key.ts'
import type { TrustedIssuerPort, WorkloadRulePort } from './workloads/trusted-issuer.ts'

/** Every port. */
export interface Repositories extends
  OrganizationPort, OrganizationTemplatePort, ProvisionPort, ResourcePort, ClientPort, MemberPort, GroupPort,
  PolicyPort, ApiKeyPort,
  PublishableKeyPort, WebhookTokenPort, RegistrationTokenPort, ManagementTokenPort, RememberedAnswerPort,
  SigningKeyPort, RevokedTokenPort, UsedAssertionPort, CreditPort, AllowancePort, BudgetPort, SpendPort,
  ProviderKeyPort, VirtualKeyPort,
  IdentityPort, PasskeyPort, PersonSessionPort, SignInLinkPort, EmailDomainPort, TrustedProviderPort, InvitationPort,
  AuthorizationPort, ConsentPort, ClientApprovalPort, AuthorizationStepPort,
  SkillBundlePort, ThirdPartySourcePort,
  TrustedIssuerPort, WorkloadRulePort,
  UsagePort, RequestLogPort, TokenUsagePort, LostChangePort, NamePort, AuditPort {}

/** The whole store: every port, and the transaction that spans them. Implemented by storage/. */
export type Store = Transactional<Repositories>

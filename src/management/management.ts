/**
 * The management API: what operators and automation use. It is a guarded resource like any other, with the credentials
 * of LedgerBee's style and the error bodies of OpenCrane's.
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../base/clock.ts'
import type { IdentityProvider } from '../config/identity-providers.ts'
import { idempotency } from '../domain/core/idempotency.ts'
import type { Replica } from '../domain/maintenance/drift.ts'
import type { ReplicaDirectory } from '../domain/maintenance/replica.ts'
import { selfStyle } from '../domain/resources/style.ts'
import type { Meter } from '../domain/metering/meter.ts'
import type { TokenMeter } from '../domain/tokens/issuance-meter.ts'
import type { SigningKeys } from '../domain/tokens/signing-key.ts'
import type { Store } from '../domain/store.ts'
import type { GuardOptions } from '../guard/index.ts'
import type { LargeBodies } from '../http/large-bodies.ts'
import { auditKeys } from '../secrets/authentication-code.ts'
import { markCursors } from './conventions/cursors.ts'
import { tagAnswers } from './conventions/etags.ts'
import { addHints } from './conventions/hints.ts'
import type { CreationDependencies, IdentityProviderDependencies } from './conventions/idempotent-creation.ts'
import { completeOwner } from './conventions/owning-organization.ts'
import { presentAsLedgerBee, presentError } from './conventions/presenter.ts'
import { readQueryValues } from './conventions/query-values.ts'
import { refuseCompressed, refuseHalfCharacters, refuseNull } from './conventions/request-bodies.ts'
import { announceConventions, refuseUnknownQuery } from './documentation/announcements.ts'
import { managementPath } from './resource.ts'
import { accessTokenRoutes } from './routes/access-tokens.ts'
import { apiKeyRoutes } from './routes/api-keys.ts'
import { auditChainRoutes, type AuditDependencies } from './routes/audit-chains.ts'
import { auditRoutes } from './routes/audit.ts'
import { authorizationRoutes } from './routes/authorizations.ts'
import { budgetRoutes } from './routes/budgets.ts'
import { clientApprovalRoutes } from './routes/client-approvals.ts'
import { clientRoutes, type ClientDependencies } from './routes/clients.ts'
import { creditRoutes } from './routes/credits.ts'
import { effectiveAccessRoutes } from './routes/effective-access.ts'
import { emailDomainRoutes } from './routes/email-domains.ts'
import { explainRoutes, type ExplainDependencies } from './routes/explain.ts'
import { groupRoutes } from './routes/groups.ts'
import { identityRoutes } from './routes/identities.ts'
import { idempotencyKeyRoutes } from './routes/idempotency-keys.ts'
import { invitationRoutes } from './routes/invitations.ts'
import { mcpRegistryRoutes } from './routes/mcp-registry.ts'
import { mcpServerRoutes } from './routes/mcp-servers.ts'
import { memberRoutes } from './routes/members.ts'
import { organizationTemplateRoutes } from './routes/organization-templates.ts'
import { organizationRoutes } from './routes/organizations.ts'
import { passkeyRoutes } from './routes/passkeys.ts'
import { personRoutes, type PersonDependencies } from './routes/person.ts'
import { portalRoutes } from './routes/portal.ts'
import { policyRoutes } from './routes/policies.ts'
import { providerKeyRoutes } from './routes/provider-keys.ts'
import { publishableKeyRoutes } from './routes/publishable-keys.ts'
import { registrationTokenRoutes } from './routes/registration-tokens.ts'
import { lostChangeRoutes, replicaRoutes } from './routes/replicas.ts'
import { resourceRoutes } from './routes/resources.ts'
import { selfRoutes } from './routes/self.ts'
import { serverRoutes, type ServerDependencies } from './routes/server.ts'
import { signInLinkRoutes } from './routes/sign-in-links.ts'
import { signingKeyRoutes } from './routes/signing-keys.ts'
import { spendReportRoutes } from './routes/spend.ts'
import { thirdPartySourceRoutes, type SourceDependencies } from './routes/third-party-sources.ts'
import { trustedIssuerRoutes, type TrustedIssuerDependencies } from './routes/trusted-issuers.ts'
import { trustedProviderRoutes } from './routes/trusted-providers.ts'
import { skillRoutes } from './routes/skills.ts'
import { usageRoutes } from './routes/usage.ts'
import { virtualKeyRoutes } from './routes/virtual-keys.ts'
import { webhookTokenRoutes } from './routes/webhook-tokens.ts'
import { workloadRuleRoutes } from './routes/workload-rules.ts'

export interface ManagementOptions extends ExplainDependencies {
  issuer: string
  /** The path below which it is served. Its identifier as a resource is the same below each. */
  prefix: string
  /** The guard of this server. */
  guard: FastifyPluginAsync<GuardOptions>
  store: Store
  clock: Clock
  replicas: readonly Replica[]
  directory: ReplicaDirectory
  server: ServerDependencies
  signingKeys: SigningKeys
  identityProviders: readonly IdentityProvider[]
  /** The keys and the clusters of trusted issuers, for dry runs. */
  issuerKeys: TrustedIssuerDependencies['issuerKeys']
  reviewer: TrustedIssuerDependencies['reviewer']
  tokens: TokenMeter
  meter: Meter
  /** Of the sessions of people. */
  lifetimes: PersonDependencies['lifetimes']
  /** Private schemes without a dot that redirect URIs may have. */
  privateSchemes: ClientDependencies['privateSchemes']
  /** The URL at which clients register; null: none may. */
  registrationEndpoint: string | null
  /** Archives that are sent and read. */
  archives: LargeBodies
  /** How third-party sources are asked. */
  sources: SourceDependencies['sources']
  /** LATCHKEY_SECRET, newest first: for cursors, remembered answers and the seals of the audit log. */
  secrets: readonly string[]
}

/** Everything that a collection may need. */
type Dependencies = ManagementOptions & CreationDependencies & AuditDependencies & IdentityProviderDependencies

/** The collections of the API, in the order of its document. */
const collections: readonly ((dependencies: Dependencies) => FastifyPluginAsync)[] = [
  organizationRoutes,
  organizationTemplateRoutes,
  memberRoutes,
  invitationRoutes,
  trustedProviderRoutes,
  emailDomainRoutes,
  signInLinkRoutes,
  passkeyRoutes,
  identityRoutes,
  groupRoutes,
  policyRoutes,
  effectiveAccessRoutes,
  resourceRoutes,
  clientRoutes,
  clientApprovalRoutes,
  authorizationRoutes,
  apiKeyRoutes,
  portalRoutes,
  publishableKeyRoutes,
  webhookTokenRoutes,
  registrationTokenRoutes,
  accessTokenRoutes,
  mcpServerRoutes,
  mcpRegistryRoutes,
  skillRoutes,
  thirdPartySourceRoutes,
  trustedIssuerRoutes,
  workloadRuleRoutes,
  signingKeyRoutes,
  usageRoutes,
  creditRoutes,
  providerKeyRoutes,
  budgetRoutes,
  virtualKeyRoutes,
  spendReportRoutes,
  auditRoutes,
  auditChainRoutes,
  explainRoutes,
  serverRoutes,
  idempotencyKeyRoutes,
  replicaRoutes,
  lostChangeRoutes,
  personRoutes,
]

/** The plugin of the whole API: the collections, and the two routes that any credential may call about itself. */
export function management (options: ManagementOptions): FastifyPluginAsync {
  const { issuer, prefix, guard, secrets } = options
  const dependencies = { ...options, answers: idempotency(secrets), auditKeys: auditKeys(secrets) }
  return async app => {
    app.setErrorHandler(presentError)
    app.addHook('onSend', forbidCaching)
    app.addHook('preParsing', refuseCompressed)
    app.addHook('preValidation', refuseNull)
    await app.register(async api => {
      await api.register(guard, { resource: issuer + managementPath, personSessions: true })
      applyConventions(api, options)
      for (const collection of collections) await api.register(collection(dependencies))
    }, { prefix })
    await app.register(async self => {
      await self.register(guard, { resource: { any: true, style: selfStyle } })
      refuseUnknownQuery(self)
      self.addHook('preSerialization', presentAsLedgerBee)
      await self.register(selfRoutes)
    }, { prefix })
  }
}

/** The rules that hold for every collection. Hooks run in this order. */
function applyConventions (api: FastifyInstance, { secrets }: ManagementOptions): void {
  markCursors(api, secrets)
  tagAnswers(api)
  addHints(api)
  announceConventions(api)
  refuseUnknownQuery(api)
  readQueryValues(api)
  refuseHalfCharacters(api)
  completeOwner(api)
}

/** Answers hold records and secrets: no cache may store one, whatever its status. A callback costs no promise. */
function forbidCaching (
  _request: FastifyRequest, reply: FastifyReply, payload: unknown, done: (error: null, payload: unknown) => void
): void {
  reply.header('cache-control', 'no-store')
  done(null, payload)
}

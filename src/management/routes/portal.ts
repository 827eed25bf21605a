/** What partners' API keys do: provision an organization with its first owner, and mint sign-in links (LB-23). */
import { Type } from '../../http/typebox-lite.ts'
import { Failure } from '../../base/errors.ts'
import { mintPortalLink } from '../../domain/partners/portal-link.ts'
import { provisionOrganization, type Provisioned } from '../../domain/partners/provision.ts'
import { organizationStatuses } from '../../domain/tenancy/organization.ts'
import { created, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import {
  as, exactly, IdParams, Moment, Name, nullable, OrganizationId, shownOnce, Texts
} from '../conventions/schemas.ts'

export interface PortalDependencies extends CreationDependencies { issuer: string }

const ExternalId = as(
  Type.String({
    minLength: 1,
    maxLength: 128,
    pattern: '^[\\x21-\\x7e]*$',
    description: 'The partner\'s own id of the customer: visible ASCII. It names one organization for good.'
  }),
  'customer-4711'
)
const MemberId = as(Type.String(), 'mem_5yKtQ0rXc2sVb8nLd4wEfG')
const Provisioning = exactly({
  externalId: ExternalId,
  name: Name,
  owner: exactly({ name: Name, email: as(Type.String({ minLength: 3, maxLength: 512 }), 'ada@example.com') }),
})
const ProvisionedOrganization = Type.Object({
  externalId: ExternalId,
  organization: Type.Object({
    id: OrganizationId,
    name: as(Type.String(), 'Acme'),
    status: Type.Enum([...organizationStatuses]),
    features: Texts,
    callsPerMonth: nullable(Type.Integer()),
    creditsPerMonth: nullable(Type.Integer()),
    callsPerMinute: nullable(Type.Integer()),
    createdAt: Moment,
  }),
  owner: Type.Object({ id: MemberId, name: as(Type.String(), 'Ada'), email: nullable(Type.String()) }),
}, { title: 'ProvisionedOrganization' })
const PortalLink = Type.Object({
  id: as(Type.String(), 'sil_3mKtQ0rXc2sVb8nLd4wEfG'),
  organization: OrganizationId,
  member: MemberId,
  createdAt: Moment,
  expiresAt: Moment,
  url: shownOnce('https://auth.example.com/api/v1/auth/link#lksil_…'),
}, { title: 'PortalSignInLink' })

export const portalRoutes = routes<PortalDependencies>(provisionRoute, mintRoute)

function provisionRoute (app: RouteContext, dependencies: PortalDependencies): void {
  app.post('/portal/organizations', {
    config: { scopes: ['portal-provision'], apiKeyOnly: true, failures: ['conflict'] },
    schema: {
      summary: 'Provision an organization with its first owner',
      description:
        'Limits and features are those of the template that the key names. The same `externalId` with the same ' +
          'content again answers 200 with the same organization, as it is now; with another content, 409.',
      operationId: 'provisionOrganization',
      body: Provisioning,
      response: { 200: ProvisionedOrganization, 201: ProvisionedOrganization },
    },
  }, async (request, reply) => {
    const once = () => created(dependencies, request, reply, async operation => {
      const provisioned = await provisionOrganization(operation, request.body)
      if (provisioned.isNew) reply.code(201)
      return wireProvisioned(provisioned)
    }, 200)
    try {
      return await once()
    } catch (error) {
      if (!(error instanceof Failure && error.code === 'conflict')) throw error
      // Another request with this id may have been faster: then it has the answer.
      return await once()
    }
  })
}

function mintRoute (app: RouteContext, dependencies: PortalDependencies): void {
  app.post('/portal/members/:id/sign-in-links', {
    config: {
      scopes: ['portal-sso-mint'],
      apiKeyOnly: true,
      appends: true,
      failures: ['credential_revoked', 'organization_not_active', 'too_many_requests']
    },
    schema: {
      summary: 'Mint a sign-in link for a member of a provisioned organization',
      description:
        'Signs the member in, once, within ten minutes. For members up to the ceiling of the key. The session ends ' +
          'with the key, and so do the API keys that it makes. Only this answer contains the link.',
      operationId: 'mintPortalSignInLink',
      params: IdParams,
      response: { 201: PortalLink },
    },
  }, async (request, reply) =>
    await created(dependencies, request, reply, async operation => {
      const { link, text, member } = await mintPortalLink(operation, request.params.id)
      const { id, createdAt, expiresAt } = link
      const url = `${dependencies.issuer}/api/v1/auth/link#${text}`
      return { id, organization: member.organizationId, member: member.id, createdAt, expiresAt, url }
    }))
}

function wireProvisioned ({ externalId, organization, owner }: Provisioned) {
  const { id, name, status, features, callsPerMonth, creditsPerMonth, callsPerMinute, createdAt } = organization
  return {
    externalId,
    organization: { id, name, status, features, callsPerMonth, creditsPerMonth, callsPerMinute, createdAt },
    owner: { id: owner.id, name: owner.name, email: owner.email },
  }
}

/** E-mail domains, which the deployment gives to organizations, one organization each. */
import { Type } from '../../http/typebox-lite.ts'
import {
  createEmailDomain, domainRevision, getEmailDomain, removeEmailDomain, type EmailDomain
} from '../../domain/providers/email-domain.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { operationOf, organizationFilter } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { revision } from '../conventions/etags.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { as, exactly, Id, IdParams, Moment, OrganizationId, Owner, ownPage, pageOf, PageQuerystring } from
  '../conventions/schemas.ts'

const readAccess = { scopes: ['identity-providers:read'] }
const writeAccess = { scopes: ['identity-providers:write'] }

const Domain = as(Type.String({ minLength: 3, maxLength: 253 }), 'acme.example')
const NewDomain = exactly({ organization: Owner, domain: Domain })

export const emailDomainRoutes = routes<CreationDependencies>(
  createEmailDomainRoute, listEmailDomainsRoute, getEmailDomainRoute, deleteEmailDomainRoute
)

function createEmailDomainRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/email-domains', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active', 'conflict'] },
    schema: {
      summary: 'Give an e-mail domain to an organization',
      description:
        'Providers that the organization trusts may let people with a verified e-mail in this domain join. Requires ' +
        'a deployment-wide credential.',
      body: NewDomain,
      response: { 201: WireDomain },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { organization, domain } = request.body
    return wireDomain(await createEmailDomain(operation, { organizationId: organization, domain }))
  }))
}

function listEmailDomainsRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/email-domains', {
    config: readAccess,
    schema: {
      summary: 'List e-mail domains',
      description: ownPage,
      querystring: exactly({ ...PageQuerystring, organization: Type.Optional(Id) }),
      response: { 200: pageOf(WireDomain) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const filter = organizationFilter(operation, request.query.organization)
    return wirePage(query, await operation.store.emailDomains.page(query, filter), wireDomain)
  })
}

function getEmailDomainRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/email-domains/:id', {
    config: readAccess,
    schema: {
      summary: 'Read an e-mail domain',
      description: 'Includes the organization that has it.',
      params: IdParams,
      response: { 200: WireDomain },
    },
  }, async request => wireDomain(await getEmailDomain(operationOf(dependencies, request), request.params.id)))
}

function deleteEmailDomainRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/email-domains/:id', {
    config: writeAccess,
    schema: {
      summary: 'Take an e-mail domain from its organization',
      description: 'Members who joined by it stay. Requires a deployment-wide credential.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, removeEmailDomain(operationOf(dependencies, request), request.params.id)))
}

const WireDomain = Type.Object({
  id: as(Type.String(), 'dom_2sVb8nLd4wEfG5yKtQ0rXc'),
  organization: OrganizationId,
  domain: Domain,
  createdAt: Moment,
}, { title: 'EmailDomain' })

function wireDomain ({ id, organizationId, domain, createdAt }: EmailDomain) {
  return { [revision]: domainRevision, id, organization: organizationId, domain, createdAt }
}

/** Approvals of unverified clients, for organizations that take approved ones alone. */
import { Type } from '../../http/typebox-lite.ts'
import { approveClient, getClientApproval, removeClientApproval } from '../../domain/authorizations/approve-client.ts'
import type { ClientApproval } from '../../domain/authorizations/client-approval.ts'
import { revision } from '../conventions/etags.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import {
  as, exactly, Id, IdParams, Moment, OrganizationId, Owner, ownPage, pageOf, PageQuerystring
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['client-approvals:read'] }
const writeAccess = { scopes: ['client-approvals:write'] }

const ClientId = as(Type.With(Id, { description: 'The `client_id`.' }), 'https://app.example/client.json')

export const clientApprovalRoutes = routes<CreationDependencies>(
  createClientApprovalRoute, listClientApprovalsRoute, getClientApprovalRoute, deleteClientApprovalRoute
)

function createClientApprovalRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/client-approvals', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active', 'conflict'] },
    schema: {
      summary: 'Approve a client',
      description:
        'It may act for members of the organization who allow it. The approval holds for its present name and ' +
        'redirect URIs; of a client whose id is the URL of a document, for whatever that says.',
      body: exactly({ organization: Owner, client: ClientId }),
      response: { 201: WireApproval },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { organization: organizationId, client: clientId } = request.body
    return wireApproval(await approveClient(operation, { organizationId, clientId }))
  }))
}

function listClientApprovalsRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/client-approvals', {
    config: readAccess,
    schema: {
      summary: 'List approvals of clients',
      description: ownPage,
      querystring: exactly({ ...PageQuerystring, organization: Type.Optional(Id), client: Type.Optional(Id) }),
      response: { 200: pageOf(WireApproval) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const { organization, client } = request.query
    const filter = { ...organizationFilter(operation, organization), ...definedMembers({ clientId: client }) }
    return wirePage(query, await operation.store.clientApprovals.page(query, filter), wireApproval)
  })
}

function getClientApprovalRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/client-approvals/:id', {
    config: readAccess,
    schema: {
      summary: 'Read an approval of a client',
      description: 'Includes the name that the client had.',
      params: IdParams,
      response: { 200: WireApproval },
    },
  }, async request => wireApproval(await getClientApproval(operationOf(dependencies, request), request.params.id)))
}

function deleteClientApprovalRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/client-approvals/:id', {
    config: writeAccess,
    schema: {
      summary: 'Take an approval back',
      description: 'Where the organization takes approved clients alone, what its members allowed the client ends.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, removeClientApproval(operationOf(dependencies, request), request.params.id)))
}

const WireApproval = Type.Object({
  id: as(Type.String(), 'cap_8nLd4wEfG5yKtQ0rXc2sVb'),
  organization: OrganizationId,
  client: ClientId,
  name: as(Type.String({ description: 'The name that the client had.' }), 'Weather Agent'),
  createdBy: as(Type.String(), 'admin'),
  createdAt: Moment,
}, { title: 'ClientApproval' })

function wireApproval (
  { id, organizationId, clientId, name, createdBy, createdAt, revision: shown }: ClientApproval
) {
  return { [revision]: shown, id, organization: organizationId, client: clientId, name, createdBy, createdAt }
}

/** Organizations, the tenants of the deployment: created, suspended, resumed and deleted. */
import { namedListOrders } from '../../domain/core/list.ts'
import { Type } from '../../http/typebox-lite.ts'
import { namesLimits } from '../../domain/tenancy/limits.ts'
import {
  createOrganization, deleteOrganization, getOrganization, organizationStatuses, unverifiedClientRules,
  updateOrganization, type Organization
} from '../../domain/tenancy/organization.ts'
import { setUnverifiedClients } from '../../domain/authorizations/client-admission.ts'
import { setRequiresProvider } from '../../domain/providers/required-provider.ts'
import {
  created, ended, type CreationDependencies, type IdentityProviderDependencies
} from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, requireDeployment } from '../conventions/operation.ts'
import { listQuery, sought, wireList } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import {
  as, exactly, Features, IdParams, limits, listQuerystring, Moment, Name, nullable, OrganizationId, pageOf, Reason,
  Texts
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['organizations:read'] }
const writeAccess = { scopes: ['organizations:write'] }

const OrganizationQuerystring = exactly({
  ...listQuerystring({ records: 'organizations', found: 'the name, or of the id', sorts: namedListOrders }),
  name: Type.Optional(Name),
  status: Type.Optional(Type.Enum([...organizationStatuses])),
})

const UnverifiedClients = Type.Enum([...unverifiedClientRules])

const NewOrganization = exactly({ name: Name, features: Type.Optional(Features), ...limits })
const OrganizationChange = exactly({
  name: Type.Optional(Name),
  status: Type.Optional(Type.Enum(['active', 'suspended'])),
  features: Type.Optional(Features),
  ...limits
})

export const organizationRoutes = routes<IdentityProviderDependencies>(
  createOrganizationRoute,
  listOrganizationsRoute,
  getOrganizationRoute,
  updateOrganizationRoute,
  suspendOrganizationRoute,
  resumeOrganizationRoute,
  requireProviderRoute,
  admitClientsRoute,
  deleteOrganizationRoute
)

function createOrganizationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/organizations', {
    config: writeAccess,
    schema: {
      summary: 'Create an organization',
      description: 'Requires a deployment-wide credential.',
      body: NewOrganization,
      response: { 201: WireOrganization },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    requireDeployment(operation, 'Creating an organization')
    return wireOrganization(await createOrganization(operation, request.body))
  }))
}

function listOrganizationsRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/organizations', {
    config: readAccess,
    schema: {
      summary: 'List organizations',
      description: 'A page, newest first. A credential of an organization sees only that organization.',
      querystring: OrganizationQuerystring,
      response: { 200: pageOf(WireOrganization) },
    },
  }, async request => {
    const { actor, store } = operationOf(dependencies, request)
    const query = listQuery(request.query)
    const { name, status } = request.query
    return wireList(
      query,
      await store.organizations.page(query, {
        ...sought(request.query), ...definedMembers({ id: actor.organizationId ?? undefined, name, status })
      }),
      wireOrganization
    )
  })
}

function getOrganizationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/organizations/:id', {
    config: readAccess,
    schema: {
      summary: 'Read an organization',
      description: 'Includes the limits and features of its plan.',
      params: IdParams,
      response: { 200: WireOrganization }
    }
  }, async request => wireOrganization(await getOrganization(operationOf(dependencies, request), request.params.id)))
}

function updateOrganizationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.patch('/organizations/:id', {
    config: { ...writeAccess, failures: ['organization_not_active'] },
    schema: {
      summary: 'Rename, suspend or resume an organization',
      description: 'Status, features and limits require a deployment-wide credential.',
      params: IdParams,
      body: OrganizationChange,
      response: { 200: WireOrganization },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    if (request.body.status !== undefined) requireDeployment(operation, 'Suspending or resuming an organization')
    if (request.body.features !== undefined) {
      requireDeployment(operation, 'Changing the features of an organization')
    }
    if (namesLimits(request.body)) requireDeployment(operation, 'Setting the limits of an organization')
    return wireOrganization(await updateOrganization(operation, request.params.id, request.body))
  })
}

function suspendOrganizationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  setStatusRoute(app, dependencies, 'suspend', {
    summary: 'Suspend an organization',
    description: 'Refuses every credential of the organization until it is resumed. Requires a deployment-wide ' +
      'credential.'
  })
}

function resumeOrganizationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  setStatusRoute(app, dependencies, 'resume', {
    summary: 'Resume an organization',
    description: 'Accepts its credentials again, except revoked ones. Requires a deployment-wide credential.'
  })
}

function requireProviderRoute (app: RouteContext, dependencies: IdentityProviderDependencies): void {
  app.post('/organizations/:id/require-provider', {
    config: { ...writeAccess, failures: ['would_lock_out'] },
    schema: {
      summary: 'Require an identity provider',
      description:
        'With `required`, only trusted providers sign the members in: no passkey and no link does, and such sessions ' +
        'end. Not for the organization of the operators, and only once an owner has an account at one of them.',
      params: IdParams,
      body: exactly({ required: Type.Boolean() }),
      response: { 200: WireOrganization },
    },
  }, async request => wireOrganization(
    await setRequiresProvider(
      operationOf(dependencies, request), request.params.id, request.body.required, dependencies.identityProviders
    )
  ))
}

function admitClientsRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/organizations/:id/admit-clients', {
    config: writeAccess,
    schema: {
      summary: 'Say which clients act for the members',
      description:
        '`unverified` is about clients that registered themselves or have a metadata document. `approve`: those with ' +
        'an approval alone. What members allowed others ends.',
      params: IdParams,
      body: exactly({ unverified: UnverifiedClients }),
      response: { 200: WireOrganization },
    },
  }, async request => wireOrganization(
    await setUnverifiedClients(operationOf(dependencies, request), request.params.id, request.body.unverified)
  ))
}

function deleteOrganizationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/organizations/:id', {
    config: writeAccess,
    schema: {
      summary: 'Delete an organization for good',
      description:
        'Takes effect on the next request: every credential of the organization, and every credential for its ' +
          'resources, is refused. Requires a deployment-wide credential.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) => {
    const operation = operationOf(dependencies, request)
    requireDeployment(operation, 'Deleting an organization')
    return await ended(reply, deleteOrganization(operation, request.params.id))
  })
}

/** Suspends or resumes an organization. */
function setStatusRoute (
  app: RouteContext, dependencies: CreationDependencies, verb: 'suspend' | 'resume',
  { summary, description }: { summary: string, description: string }
): void {
  app.post(`/organizations/:id/${verb}`, {
    config: { ...writeAccess, failures: ['organization_not_active'] },
    schema: { summary, description, params: IdParams, body: Reason, response: { 200: WireOrganization } },
  }, async request => {
    const operation = operationOf(dependencies, request)
    requireDeployment(operation, 'Suspending or resuming an organization')
    const status = verb === 'suspend' ? 'suspended' : 'active'
    return wireOrganization(
      await updateOrganization(operation, request.params.id, { status }, request.body?.reason ?? null)
    )
  })
}

const WireOrganization = Type.Object({
  id: OrganizationId,
  name: as(Type.String(), 'Acme'),
  status: Type.Enum([...organizationStatuses]),
  features: Texts,
  callsPerMonth: nullable(Type.Integer()),
  creditsPerMonth: nullable(Type.Integer()),
  callsPerMinute: nullable(Type.Integer()),
  createdAt: Moment,
  suspendedAt: nullable(Moment),
  deletedAt: nullable(Moment),
  requiresProvider: Type.Boolean({ description: 'Whether only trusted identity providers sign its members in.' }),
  unverifiedClients: Type.With(UnverifiedClients, {
    description: 'Whether clients that registered themselves or have a metadata document act for its members.'
  }),
}, { title: 'Organization' })

function wireOrganization (
  {
    id,
    name,
    status,
    features,
    callsPerMonth,
    creditsPerMonth,
    callsPerMinute,
    createdAt,
    suspendedAt,
    deletedAt,
    requiresProvider,
    unverifiedClients,
    revision: shown
  }: Organization
) {
  return {
    [revision]: shown,
    id,
    name,
    status,
    features,
    callsPerMonth,
    creditsPerMonth,
    callsPerMinute,
    createdAt,
    suspendedAt,
    deletedAt,
    requiresProvider,
    unverifiedClients
  }
}

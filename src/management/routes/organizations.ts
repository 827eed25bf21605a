import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '../../http/typebox-lite.ts'
import { namesLimits } from '../../domain/tenancy/limits.ts'
import {
  createOrganization, deleteOrganization, getOrganization, organizationStatuses, updateOrganization, type Organization
} from '../../domain/tenancy/organization.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { given, operationOf, requireDeployment } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { revision } from '../conventions/etags.ts'
import {
  as, exactly, Features, IdParams, limits, Moment, Name, nullable, OrganizationId, pageOf, PageQuerystring, Reason,
  Texts
} from '../conventions/schemas.ts'

const read = { scopes: ['organizations:read'] }
const write = { scopes: ['organizations:write'] }

const OrganizationQuerystring = exactly({
  ...PageQuerystring, name: Type.Optional(Name), status: Type.Optional(Type.Enum([...organizationStatuses])),
})

const statusVerbs = [
  [
    'suspend', 'suspended', 'Refuse every credential of an organization from now on',
    'Until it is resumed; nothing of it is lost.'
  ],
  ['resume', 'active', 'Accept the credentials of an organization again', 'All that were not revoked meanwhile.']
] as const

export function organizationRoutes (dependencies: CreationDependencies): FastifyPluginAsyncTypebox {
  return async app => {
    const NewOrganization = exactly({ name: Name, features: Type.Optional(Features), ...limits })
    app.post('/organizations', {
      config: write,
      schema: {
        summary: 'Create an organization',
        description: 'Takes a credential for the whole deployment.',
        body: NewOrganization,
        response: { 201: WireOrganization },
      },
    }, async (request, reply) => await created(dependencies, request, reply, async operation => {
      requireDeployment(operation, 'Creating an organization')
      return wireOrganization(await createOrganization(operation, request.body))
    }))

    app.get('/organizations', {
      config: read,
      schema: {
        summary: 'List organizations',
        description: 'A page, newest first. A credential that is confined to an organization sees that one alone.',
        querystring: OrganizationQuerystring,
        response: { 200: pageOf(WireOrganization) },
      },
    }, async request => {
      const { actor, store } = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const { name, status } = request.query
      return wirePage(
        query, await store.organizations.page(query, given({ id: actor.organizationId ?? undefined, name, status })),
        wireOrganization
      )
    })

    app.get('/organizations/:id', {
      config: read,
      schema: {
        summary: 'Read an organization',
        description: 'With the limits and features of its plan.',
        params: IdParams,
        response: { 200: WireOrganization }
      }
    }, async request => wireOrganization(await getOrganization(operationOf(dependencies, request), request.params.id)))

    const change = exactly({
      name: Type.Optional(Name),
      status: Type.Optional(Type.Enum(['active', 'suspended'])),
      features: Type.Optional(Features),
      ...limits
    })
    app.patch('/organizations/:id', {
      config: { ...write, failures: ['organization_not_active'] },
      schema: {
        summary: 'Rename, suspend or resume an organization',
        description: 'Status, features and limits take a credential for the whole deployment.',
        params: IdParams,
        body: change,
        response: { 200: WireOrganization },
      },
    }, async request => {
      const operation = operationOf(dependencies, request)
      if (request.body.status !== undefined) requireDeployment(operation, 'Suspending or resuming an organization')
      if (request.body.features !== undefined) {
        requireDeployment(operation, 'Changing what the plan of an organization includes')
      }
      if (namesLimits(request.body)) requireDeployment(operation, 'Setting the limits of an organization')
      return wireOrganization(await updateOrganization(operation, request.params.id, request.body))
    })

    for (const [verb, status, summary, what] of statusVerbs) {
      const description = `${what} Takes a credential for the whole deployment.`
      const schema = { summary, description, params: IdParams, body: Reason, response: { 200: WireOrganization } }
      app.post(
        `/organizations/:id/${verb}`,
        { config: { ...write, failures: ['organization_not_active'] }, schema },
        async request => {
          const operation = operationOf(dependencies, request)
          requireDeployment(operation, 'Suspending or resuming an organization')
          return wireOrganization(
            await updateOrganization(operation, request.params.id, { status }, request.body?.reason ?? null)
          )
        }
      )
    }

    app.delete('/organizations/:id', {
      config: write,
      schema: {
        summary: 'End an organization for good',
        description:
          'Every credential of it is dead, and nothing passes for its resources, from the next request on. Takes a ' +
            'credential for the whole deployment.',
        params: IdParams,
        response: { 204: Type.Null() },
      },
    }, async (request, reply) => {
      const operation = operationOf(dependencies, request)
      requireDeployment(operation, 'Deleting an organization')
      return await ended(reply, deleteOrganization(operation, request.params.id))
    })
  }
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
    deletedAt
  }
}

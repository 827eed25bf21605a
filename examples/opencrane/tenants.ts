/**
 * Tenants: each is declared here, and projected to an organization of Latchkey, which holds its credentials. A caller
 * sees those tenants whose organization Latchkey shows it.
 */
import { isDeepStrictEqual } from 'node:util'
import type { FastifyRequest } from 'fastify'
import { Type, type Static } from 'typebox'
import { operatorsId } from '../../src/index.ts'
import { type Latchkey, Refusal } from './control-plane.ts'
import {
  Done, exactly, NameParams, pageOf, PageQuerystring, requireOperator, shown, Text, Texts, type Collection, type Plane
} from './context.ts'
import type { Datasets, Tenant } from './declarations.ts'
import { deletePolicyOf, projectPolicies, projectTenant, provideKey } from './projection.ts'

/** A name that is a path segment and a host name (RFC 1123 §2.1). */
const TenantName = Type.String({ pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' })

const changeable = {
  team: Type.Optional(Text),
  monthlyBudgetUsd: Type.Optional(Type.Number({ minimum: 0, maximum: 1_000_000_000 })),
  resources: Type.Optional(Type.Object({}, { additionalProperties: true })),
  skillAllowlist: Type.Optional(Texts),
  policyRef: Type.Optional(Text),
}
const Email = Type.String({ format: 'email', maxLength: 254 })
const NewTenant = exactly({ name: TenantName, displayName: Text, email: Email, ...changeable })
const TenantChange = exactly({ displayName: Type.Optional(Text), email: Type.Optional(Email), ...changeable })
const WireTenant = Type.Object({
  name: Type.String(),
  displayName: Type.String(),
  email: Type.String(),
  team: Type.Optional(Type.String()),
  phase: Type.Enum(['Running', 'Suspended']),
  createdAt: Type.String({ format: 'date-time' }),
})
/** The text of a virtual key that was made is in no other answer. */
const Made = Type.Object({
  name: Type.String(),
  status: Type.String(),
  litellmKey: Type.Optional(Type.Object({ id: Type.String(), key: Type.String() }))
})
export const DatasetMembership = exactly({ org: Texts, team: Texts, project: Texts, personal: Texts })

/** An organization of Latchkey. */
interface Organization { id: string, name: string, status: string }

const none: Datasets = { org: [], team: [], project: [], personal: [] }

/** A tenant that the caller may see, with its organization. @throws Refusal TENANT_NOT_FOUND. */
export async function visibleTenant (
  { declared }: Plane, latchkey: Latchkey, name: string
): Promise<{ tenant: Tenant, organization: Organization }> {
  const tenant = declared.tenants.get(name)
  const organization = tenant?.organization === undefined
    ? null
    : await latchkey.find<Organization>(`/organizations/${tenant.organization}`)
  // A caller without a credential is refused before it learns which names there are.
  if (tenant?.organization === undefined) await latchkey.get('/organizations', { limit: 1 })
  if (tenant === undefined || organization === null || organization.status === 'deleted') {
    throw new Refusal(404, 'TENANT_NOT_FOUND', `There is no tenant ${JSON.stringify(name)}.`)
  }
  return { tenant, organization }
}

/** The organization of the tenant that is named; undefined: none is. @throws Refusal TENANT_NOT_FOUND. */
export async function organizationOf (
  plane: Plane, latchkey: Latchkey, tenant: string | undefined
): Promise<string | undefined> {
  return tenant === undefined ? undefined : (await visibleTenant(plane, latchkey, tenant)).organization.id
}

/** The same; without a tenant that of the platform, which takes an operator. */
export async function ownerOf (plane: Plane, latchkey: Latchkey, tenant: string | undefined): Promise<string> {
  if (tenant === undefined) await requireOperator(latchkey)
  return await organizationOf(plane, latchkey, tenant) ?? operatorsId
}

/** The declared tenants by the id of their organization. */
export function byOrganization ({ declared }: Plane): ReadonlyMap<string, Tenant> {
  return new Map([...declared.tenants.values()].flatMap(tenant =>
    tenant.organization === undefined ? [] : [[tenant.organization, tenant]]))
}

export const tenants: Collection = (app, plane) => {
  app.get('/tenants', {
    schema: {
      operationId: 'listTenants',
      summary: 'List the tenants',
      tags: ['Tenants'],
      querystring: PageQuerystring,
      response: { 200: pageOf(WireTenant) }
    }
  }, async request => {
    const known = byOrganization(plane)
    const page = await plane.latchkey(request).page<Organization>(
      '/organizations', request.query, {}, ({ id, status }) => status !== 'deleted' && known.has(id)
    )
    return shown(page, organization => wireTenant(known.get(organization.id)!, organization))
  })

  app.post('/tenants', {
    schema: {
      operationId: 'createTenant',
      summary: 'Create a tenant',
      tags: ['Tenants'],
      body: NewTenant,
      description: 'The answer has the text of its virtual key for the AI gateway, which no other answer has; the ' +
        'same request with the same Idempotency-Key gets it again, for a day.',
      response: { 201: Made }
    }
  }, async (request, reply) => {
    const { declared } = plane
    const latchkey = plane.latchkey(request)
    const tenant: Tenant = { ...request.body, datasets: none, suspended: false, createdAt: new Date().toISOString() }
    const once = idempotencyKeyOf(request)
    const made = await declared.change(async () => {
      const known = declared.tenants.get(tenant.name)
      if (once !== undefined && known !== undefined && isDeclared(known, request.body)) {
        await projectTenant(latchkey, known)
        const again = await provideKey(plane, latchkey, known, once)
        if (again.litellmKey !== undefined) return again
      }
      declared.requireFree('tenants', tenant.name)
      try {
        await projectTenant(latchkey, tenant)
        const provided = await provideKey(plane, latchkey, tenant, once)
        declared.tenants.set(tenant.name, tenant)
        await projectPolicies(plane, latchkey)
        return provided
      } catch (error) {
        if (tenant.organization !== undefined) await latchkey.send('DELETE', `/organizations/${tenant.organization}`)
        throw error
      }
    })
    return await reply.code(201).send({ name: tenant.name, status: 'created', ...made })
  })

  app.get('/tenants/:name', {
    schema: {
      operationId: 'getTenant',
      summary: 'Get a tenant',
      tags: ['Tenants'],
      params: NameParams,
      response: { 200: WireTenant }
    }
  }, async request => {
    const { tenant, organization } = await visibleTenant(plane, plane.latchkey(request), request.params.name)
    return wireTenant(tenant, organization)
  })

  app.put('/tenants/:name', {
    schema: {
      operationId: 'updateTenant',
      summary: 'Update a tenant; makes a virtual key if it has none',
      tags: ['Tenants'],
      params: NameParams,
      body: TenantChange,
      response: { 200: Made }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const { tenant } = await visibleTenant(plane, latchkey, request.params.name)
    // Policies select tenants by what is declared of them.
    await requireOperator(latchkey, 'organizations:write')
    const made = await plane.declared.change(async () => {
      const changed = { ...plane.declared.tenant(tenant.name), ...request.body }
      plane.declared.tenants.set(tenant.name, changed)
      await projectTenant(latchkey, changed)
      const provided = await provideKey(plane, latchkey, changed, idempotencyKeyOf(request))
      await projectPolicies(plane, latchkey)
      return provided
    })
    return { name: tenant.name, status: 'updated', ...made }
  })
  endings(app, plane)
  datasets(app, plane)
}

function idempotencyKeyOf ({ headers }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key']
  return typeof key === 'string' ? key : undefined
}

/** Whether a tenant is as a request declares it. */
function isDeclared (tenant: Tenant, asked: Static<typeof NewTenant>): boolean {
  return Object.entries(asked).every(([name, value]) => isDeepStrictEqual(tenant[name as keyof Tenant], value))
}

const endings: Collection = (app, plane) => {
  app.delete('/tenants/:name', {
    schema: {
      operationId: 'deleteTenant',
      summary: 'Delete a tenant; its credentials are refused from the next request on',
      tags: ['Tenants'],
      params: NameParams,
      response: { 200: Done }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const { tenant, organization } = await visibleTenant(plane, latchkey, request.params.name)
    await plane.declared.change(async () => {
      await latchkey.send('DELETE', `/organizations/${organization.id}`)
      plane.declared.tenants.delete(tenant.name)
      await deletePolicyOf(latchkey, tenant)
    })
    return { name: tenant.name, status: 'deleted' }
  })

  for (const [verb, operationId, status] of [
    ['suspend', 'suspendTenant', 'suspended'], ['resume', 'resumeTenant', 'resumed']
  ] as const) {
    app.post(`/tenants/:name/${verb}`, {
      schema: {
        operationId,
        summary: `${verb === 'suspend' ? 'Suspend' : 'Resume'} a tenant with all of its credentials`,
        tags: ['Tenants'],
        params: NameParams,
        response: { 200: Done }
      }
    }, async request => {
      const latchkey = plane.latchkey(request)
      const { tenant, organization } = await visibleTenant(plane, latchkey, request.params.name)
      await plane.declared.change(async () => {
        await latchkey.send('POST', `/organizations/${organization.id}/${verb}`)
        plane.declared.tenants.set(tenant.name, {
          ...plane.declared.tenant(tenant.name), suspended: verb === 'suspend'
        })
      })
      return { name: tenant.name, status }
    })
  }
}

const datasets: Collection = (app, plane) => {
  app.get('/tenants/:name/datasets', {
    schema: {
      operationId: 'getTenantDatasets',
      summary: 'Get the datasets that a tenant may read',
      tags: ['Tenants'],
      params: NameParams,
      response: { 200: DatasetMembership }
    }
  }, async request => (await visibleTenant(plane, plane.latchkey(request), request.params.name)).tenant.datasets)

  app.put('/tenants/:name/datasets', {
    schema: {
      operationId: 'updateTenantDatasets',
      summary: 'Set the datasets that a tenant may read',
      tags: ['Tenants'],
      params: NameParams,
      body: DatasetMembership,
      response: { 200: DatasetMembership }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const { tenant } = await visibleTenant(plane, latchkey, request.params.name)
    await requireOperator(latchkey, 'organizations:write')
    return await plane.declared.change(async () => {
      plane.declared.tenants.set(tenant.name, { ...plane.declared.tenant(tenant.name), datasets: request.body })
      return request.body
    })
  })
}

function wireTenant (
  { name, displayName, email, team, createdAt }: Tenant, { status }: Organization
): Static<typeof WireTenant> {
  const phase = status === 'active' ? 'Running' : 'Suspended'
  return { name, displayName, email, ...(team === undefined ? {} : { team }), phase, createdAt }
}

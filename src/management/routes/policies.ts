/** Access policies (OC-05). docs/policies.md describes their evaluation. */
import type { Static } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import { impactOf, type Impact } from '../../domain/access/policy-impact.ts'
import {
  getPolicy,
  type Policy,
  type PolicyConditions,
  type PolicyPlan
} from '../../domain/policy/policy.ts'
import {
  changePolicy, planDeletion, planUpdate, planCreation
} from '../../domain/access/policy-change.ts'
import type { Operation } from '../../domain/core/operation.ts'
import type { Store, Repositories } from '../../domain/store.ts'
import type { FailureCode } from '../../base/errors.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter } from '../conventions/operation.ts'
import { listQuery, pageQuery, sought, wireList, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import { resourceNames } from '../conventions/resource-names.ts'
import {
  exactly, Flag, IdParams, ownPage, pageOf, PageQuerystring,
} from '../conventions/schemas.ts'
import { Conditions, NewPolicy, PolicyChange, PolicyQuerystring, WireImpact, WirePolicy } from '../schemas/policies.ts'

const readAccess = { scopes: ['policies:read'] }
const writeAccess = { scopes: ['policies:write'] }
const tags = ['policies']

/** Failures of changing a policy or its conditions. */
const conditionFailures: readonly FailureCode[] = ['unknown_resource', 'invalid_allowlist', 'would_lock_out']

const answered = Type.Union([WirePolicy, WireImpact])

export const policyRoutes = routes<CreationDependencies>(
  createPolicyRoute, listPoliciesRoute, getPolicyRoute, updatePolicyRoute, deletePolicyRoute
)

function createPolicyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/policies', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active', ...conditionFailures] },
    schema: {
      summary: 'Create a policy',
      description:
        'With `dryRun` nothing is created: the answer lists the credentials whose access would change, in pages ' +
          'of `limit` and `cursor`.',
      tags,
      querystring: exactly(PageQuerystring),
      body: NewPolicy,
      response: { 200: WireImpact, 201: WirePolicy },
    },
  }, async (request, reply) => {
    const { organization, dryRun, force = false, ...input } = request.body
    const planned = (operation: Operation<Repositories>) =>
      planCreation(operation, {
        ...readPolicy(input), organizationId: organization ?? operation.actor.organizationId
      })
    if (dryRun === true) {
      const operation = operationOf(dependencies, request)
      return await rehearse(operation, planned(operation), request.query)
    }
    return await created(
      dependencies, request, reply,
      async operation => await policyAnswer(operation.store, await changePolicy(operation, planned(operation), force))
    )
  })
}

function listPoliciesRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/policies', {
    config: readAccess,
    schema: {
      summary: 'List policies',
      description: ownPage,
      tags,
      querystring: PolicyQuerystring,
      response: { 200: pageOf(WirePolicy) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = listQuery(request.query)
    const { organization, effect, enabled } = request.query
    const owner = organization === 'deployment' && operation.actor.organizationId === null
      ? { organizationId: null }
      : organizationFilter(operation, organization)
    const page = await operation.store.policies.page(query, {
      ...owner, ...sought(request.query), ...definedMembers({ effect, enabled })
    })
    const names = await namesOf(operation.store, page.items)
    return wireList(query, page, policy => wirePolicy(policy, names))
  })
}

function getPolicyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/policies/:id', {
    config: readAccess,
    schema: {
      summary: 'Show a policy',
      description: 'Includes its conditions.',
      tags,
      params: IdParams,
      response: { 200: WirePolicy },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await policyAnswer(operation.store, await getPolicy(operation, request.params.id))
  })
}

function updatePolicyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.patch('/policies/:id', {
    config: { ...writeAccess, failures: conditionFailures },
    schema: {
      summary: 'Change a policy; given conditions replace all previous ones',
      description:
        'With `dryRun` nothing changes: the answer lists the credentials whose access would, in pages of `limit` ' +
          'and `cursor`.',
      tags,
      params: IdParams,
      querystring: exactly(PageQuerystring),
      body: PolicyChange,
      response: { 200: answered },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const { dryRun, force = false, ...change } = request.body
    const plan = planUpdate(operation, request.params.id, readPolicy(change))
    return dryRun === true
      ? await rehearse(operation, plan, request.query)
      : await policyAnswer(operation.store, await changePolicy(operation, plan, force))
  })
}

function deletePolicyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/policies/:id', {
    config: { ...writeAccess, failures: ['would_lock_out'] },
    schema: {
      summary: 'Delete a policy',
      description:
        'With `dryRun` nothing is deleted: the answer lists the credentials whose access would change, in pages ' +
          'of `limit` and `cursor`.',
      tags,
      params: IdParams,
      querystring: exactly({ ...PageQuerystring, dryRun: Flag, force: Flag }),
      response: { 200: WireImpact, 204: Type.Null() },
    },
  }, async (request, reply) => {
    const operation = operationOf(dependencies, request)
    const { dryRun, force = false } = request.query
    const plan = planDeletion(operation, request.params.id)
    return dryRun === true
      ? await rehearse(operation, plan, request.query)
      : await ended(reply, changePolicy(operation, plan, force))
  })
}

async function policyAnswer (store: Store, policy: Policy) {
  return wirePolicy(policy, await namesOf(store, [policy]))
}

/** The identifiers of the resources that these policies name, by id. */
async function namesOf (store: Store, policies: readonly Policy[]): Promise<ReadonlyMap<string, string>> {
  return await resourceNames(store, policies.flatMap(({ conditions }) => conditions?.resources ?? []))
}

/** The answer of a dry run. */
async function rehearse (
  operation: Operation<Repositories>, plan: PolicyPlan<Repositories>, query: { limit?: number, cursor?: string }
) {
  const page = pageQuery(query)
  return wireImpact(await impactOf(operation, plan, page), page)
}

/** The body with the domain's type of its conditions: the schema has validated them. */
function readPolicy<T extends { conditions?: Static<typeof Conditions> }> (
  body: T
): Omit<T, 'conditions'> & { conditions?: PolicyConditions } {
  const { conditions, ...rest } = body
  return { ...rest, ...(conditions === undefined ? {} : { conditions: conditions as PolicyConditions }) }
}

function wirePolicy (
  {
    id, organizationId, name, description, effect, enabled, conditions, createdBy, createdAt, updatedAt, revision: shown
  }: Policy,
  names: ReadonlyMap<string, string>
) {
  return {
    [revision]: shown,
    id,
    organization: organizationId,
    name,
    description,
    effect,
    enabled,
    conditions: conditions === null ? null : wireConditions(conditions, names),
    createdBy,
    createdAt,
    updatedAt,
  }
}

function wireConditions (conditions: PolicyConditions, names: ReadonlyMap<string, string>): Static<typeof Conditions> {
  const { resources } = conditions
  return {
    ...conditions, ...(resources === undefined ? {} : { resources: resources.map(id => names.get(id) ?? id) })
  } as Static<typeof Conditions>
}

function wireImpact (
  { items, hasMore, totals, wouldLockOut, wouldLockOutYou }: Impact, query: ReturnType<typeof pageQuery>
) {
  const { data, pagination } = wirePage(
    query,
    { items: [...items], hasMore },
    ({ id, kind, name, organizationId, differences }) => ({
      credential: id,
      kind,
      name,
      organization: organizationId,
      resources: differences.map(({ resource, gains, loses, sometimes }) => ({
        resource: resource.identifier, gains: [...gains], loses: [...loses], sometimes: [...sometimes]
      }))
    })
  )
  return { dryRun: true as const, wouldLockOut, wouldLockOutYou, totals, data, pagination }
}

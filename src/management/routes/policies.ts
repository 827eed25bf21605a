import type { Static } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import { impactOf, type Impact } from '../../domain/access/policy-impact.ts'
import {
  credentialKinds,
  effects,
  getPolicy,
  type Policy,
  type PolicyConditions,
  type PolicyPlan
} from '../../domain/policy/policy.ts'
import { changePolicy, planDeletion, planUpdate, planCreation } from '../../domain/access/policy-change.ts'
import type { Operation } from '../../domain/core/operation.ts'
import type { Store } from '../../domain/store.ts'
import { days } from '../../domain/policy/time-window.ts'
import type { FailureCode } from '../../base/errors.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { operationOf, organizationFilter } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import { resourceNames } from '../conventions/resource-names.ts'
import {
  Allowlist, Description, exactly, Flag, Id, IdParams, Instant, ownPage, Moment, Name, pageOf, PageQuerystring,
  Pagination, ScopeNames,
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['policies:read'] }
const writeAccess = { scopes: ['policies:write'] }
const tags = ['policies']

/** What a change of policies, and of what they are about, can fail at. */
const conditionFailures: readonly FailureCode[] = ['unknown_resource', 'invalid_allowlist', 'would_lock_out']

const Ids = Type.Array(Id, { minItems: 1, maxItems: 200 })
const Hour = Type.String({ pattern: '^([01][0-9]|2[0-4]):[0-5][0-9]$' })
const Conditions = exactly({
  organizations: Type.Optional({ ...Ids, description: 'Whose credentials; only in a policy of the deployment.' }),
  groups: Type.Optional({ ...Ids, description: 'API keys that are bound to a member of one of these groups.' }),
  kinds: Type.Optional(Type.Array(Type.Enum([...credentialKinds]), { minItems: 1, maxItems: credentialKinds.length })),
  resources: Type.Optional({ ...Ids, description: 'By id or identifier.' }),
  scopes: Type.Optional(
    Type.Array(Type.String({ maxLength: 128 }), {
      ...ScopeNames, minItems: 1, description: 'Scopes and patterns of scopes; left out: the request as a whole.'
    })
  ),
  addresses: Type.Optional(
    Type.Array(Type.String({ maxLength: 64 }), {
      ...Allowlist, minItems: 1, description: 'IP addresses and CIDR ranges that the caller may come from.'
    })
  ),
  times: Type.Optional(exactly({
    from: Type.Optional(Instant),
    until: Type.Optional(Instant),
    days: Type.Optional(Type.Array(Type.Enum([...days]), { minItems: 1, maxItems: 7 })),
    hours: Type.Optional(exactly({ from: Hour, until: Hour })),
    zone: Type.Optional(
      Type.String({ minLength: 1, maxLength: 64, description: 'IANA time zone of days and hours; UTC unless given.' })
    )
  }))
})
const rehearsal = {
  dryRun: Type.Optional(Type.Boolean({ description: 'Change nothing and tell what would change.' })),
  force: Type.Optional(Type.Boolean({ description: 'Also if nobody in the organization could undo it.' })),
}
const Effect = Type.Enum([...effects])
const NewPolicy = exactly({
  organization: Type.Optional(Id),
  name: Name,
  description: Type.Optional(Description),
  effect: Effect,
  enabled: Type.Optional(Type.Boolean()),
  conditions: Type.Optional(Conditions),
  ...rehearsal,
})
const PolicyChange = exactly({
  name: Type.Optional(Name),
  description: Type.Optional(Description),
  effect: Type.Optional(Effect),
  enabled: Type.Optional(Type.Boolean()),
  conditions: Type.Optional(Conditions),
  ...rehearsal,
})
const PolicyQuerystring = exactly({
  ...PageQuerystring,
  organization: Type.Optional({ ...Id, description: 'An organization, or `deployment`: those that belong to none.' }),
  effect: Type.Optional(Effect),
  enabled: Flag,
})

const WirePolicy = exactly({
  id: Id,
  organization: Type.Union([Id, Type.Null()]),
  name: Type.String(),
  description: Type.Union([Type.String(), Type.Null()]),
  effect: Effect,
  enabled: Type.Boolean(),
  conditions: Type.Union([Conditions, Type.Null()], {
    description: 'Null: what is stored cannot be read; the policy denies everything.'
  }),
  createdBy: Type.String(),
  createdAt: Moment,
  updatedAt: Moment,
})
const Scopes = Type.Array(Type.String())
const WireImpact = exactly({
  dryRun: Type.Literal(true),
  wouldLockOut: Type.Boolean(),
  totals: exactly({ credentials: Type.Integer(), gaining: Type.Integer(), losing: Type.Integer() }),
  data: Type.Array(exactly({
    credential: Id,
    kind: Type.String(),
    name: Type.String(),
    organization: Type.Union([Id, Type.Null()]),
    resources: Type.Array(exactly({ resource: Type.String(), gains: Scopes, loses: Scopes, sometimes: Scopes })),
  })),
  pagination: Pagination,
})
const answered = Type.Union([WirePolicy, WireImpact])

/** Access policies (OC-05): docs/policies.md says how they are weighed. */
export const policyRoutes = routes<CreationDependencies>(
  createPolicyRoute, listPoliciesRoute, getPolicyRoute, updatePolicyRoute, deletePolicyRoute
)

function createPolicyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/policies', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active', ...conditionFailures] },
    schema: {
      summary: 'Create a policy',
      description:
        'With `dryRun` nothing is made, and the answer tells whose access would change; `limit` and `cursor` are ' +
          'for that answer.',
      tags,
      querystring: exactly(PageQuerystring),
      body: NewPolicy,
      response: { 200: WireImpact, 201: WirePolicy },
    },
  }, async (request, reply) => {
    const { organization, dryRun, force = false, ...input } = request.body
    const planned = (operation: Operation) =>
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
    const query = pageQuery(request.query)
    const { organization, effect, enabled } = request.query
    const owner = organization === 'deployment' && operation.actor.organizationId === null
      ? { organizationId: null }
      : organizationFilter(operation, organization)
    const page = await operation.store.policies.page(query, {
      ...owner, ...(effect === undefined ? {} : { effect }), ...(enabled === undefined ? {} : { enabled }),
    })
    const names = await namesOf(operation.store, page.items)
    return wirePage(query, page, policy => wirePolicy(policy, names))
  })
}

function getPolicyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/policies/:id', {
    config: readAccess,
    schema: {
      summary: 'Show a policy',
      description: 'With its conditions.',
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
      summary: 'Change a policy; conditions that are given replace all there were',
      description:
        'With `dryRun` nothing changes, and the answer tells whose access would; `limit` and `cursor` are for that ' +
          'answer.',
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
        'With `dryRun` nothing is deleted, and the answer tells whose access would change; `limit` and `cursor` ' +
          'are for that answer.',
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
async function rehearse (operation: Operation, plan: PolicyPlan, query: { limit?: number, cursor?: string }) {
  const page = pageQuery(query)
  return wireImpact(await impactOf(operation, plan, page), page)
}

/** The body with its conditions as the domain has them: the schema has let nothing else pass. */
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

function wireImpact ({ items, hasMore, totals, wouldLockOut }: Impact, query: ReturnType<typeof pageQuery>) {
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
  return { dryRun: true as const, wouldLockOut, totals, data, pagination }
}

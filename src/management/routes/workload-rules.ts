/** Rules of trusted issuers: which workload gets what. */
import { Type } from '../../http/typebox-lite.ts'
import type { FailureCode } from '../../base/errors.ts'
import { addRule, getRule, removeRule, updateRule, type RuleSettings } from '../../domain/workloads/rule-change.ts'
import type { WorkloadRule } from '../../domain/workloads/trusted-issuer.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { revision } from '../conventions/etags.ts'
import { resourcesById, wireScopes, type ResourcesById } from '../conventions/resource-names.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { IdParams, ownPage, pageOf } from '../conventions/schemas.ts'
import { NewRule, RuleChange, RuleQuerystring, WireRule } from '../schemas/trusted-issuers.ts'

const readAccess = { scopes: ['trusted-issuers:read'] }
const writeAccess = { scopes: ['trusted-issuers:write'] }

/** Failures of setting what a rule gives. */
const givenFailures: readonly FailureCode[] = ['unknown_resource', 'unknown_scope', 'scope_api_key_only']

export const workloadRuleRoutes = routes<CreationDependencies>(
  createWorkloadRuleRoute, listWorkloadRulesRoute, getWorkloadRuleRoute, updateWorkloadRuleRoute,
  deleteWorkloadRuleRoute
)

function createWorkloadRuleRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/workload-rules', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active', 'conflict', ...givenFailures] },
    schema: {
      summary: 'Add a rule to a trusted issuer',
      description: 'A workload that meets it gets a token. Cannot give more than the caller has.',
      body: NewRule,
      response: { 201: WireRule },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { issuer: issuerId, client = null, forOrganization = null, ...input } = request.body
    const rule = await addRule(operation, {
      ...input, issuerId, clientId: client, forOrganizationId: forOrganization
    })
    return wireRule(rule, await resourcesById(operation.store, [rule.resourceId]))
  }))
}

function listWorkloadRulesRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/workload-rules', {
    config: readAccess,
    schema: {
      summary: 'List the rules of trusted issuers',
      description: ownPage,
      querystring: RuleQuerystring,
      response: { 200: pageOf(WireRule) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const { organization, issuer } = request.query
    const page = await operation.store.workloadRules.page(query, {
      ...organizationFilter(operation, organization), ...definedMembers({ issuerId: issuer })
    })
    const resources = await resourcesById(operation.store, page.items.map(({ resourceId }) => resourceId))
    return wirePage(query, page, rule => wireRule(rule, resources))
  })
}

function getWorkloadRuleRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/workload-rules/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a rule of a trusted issuer',
      description: 'Includes its conditions, and what a workload that meets them gets.',
      params: IdParams,
      response: { 200: WireRule },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const rule = await getRule(operation, request.params.id)
    return wireRule(rule, await resourcesById(operation.store, [rule.resourceId]))
  })
}

function updateWorkloadRuleRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.patch('/workload-rules/:id', {
    config: { ...writeAccess, failures: givenFailures },
    schema: {
      summary: 'Change a rule of a trusted issuer',
      description: 'Ends the tokens that it gave. Cannot give more than the caller has.',
      params: IdParams,
      body: RuleChange,
      response: { 200: WireRule },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const rule = await updateRule(operation, request.params.id, request.body satisfies RuleSettings)
    return wireRule(rule, await resourcesById(operation.store, [rule.resourceId]))
  })
}

function deleteWorkloadRuleRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/workload-rules/:id', {
    config: writeAccess,
    schema: {
      summary: 'Delete a rule of a trusted issuer',
      description: 'Refuses the tokens that it gave from the next request on.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) => await ended(reply, removeRule(operationOf(dependencies, request), request.params.id)))
}

function wireRule (
  {
    id, issuerId, organizationId, name, claims, clientId, forOrganizationId, resourceId, scopes, createdBy, createdAt,
    revision: shown
  }: WorkloadRule,
  resources: ResourcesById
) {
  return {
    [revision]: shown,
    id,
    issuer: issuerId,
    organization: organizationId,
    name,
    claims,
    client: clientId,
    forOrganization: forOrganizationId,
    ...wireScopes(resources, resourceId, scopes),
    createdBy,
    createdAt,
  }
}

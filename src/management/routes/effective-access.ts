/** Effective access of credentials, and drift between the servers' caches and the database (OC-17). */
import { Type } from '../../http/typebox-lite.ts'
import { canonicalAddress } from '../../base/ip-address.ts'
import { driftOf, repairDrift, type DriftReport, type Replica } from '../../domain/maintenance/drift.ts'
import {
  credentialAccess, credentialAccesses, underPolicies, usableScopes
} from '../../domain/access/effective-access.ts'
import type { CredentialAccess } from '../../domain/access/access-explanation.ts'
import { getOrganization } from '../../domain/tenancy/organization.ts'
import { compilePolicies, type PolicySet } from '../../domain/policy/policy-evaluation.ts'
import { getResource } from '../../domain/resources/resource.ts'
import type { Store, Repositories } from '../../domain/store.ts'
import { requireVisible, type Operation } from '../../domain/core/operation.ts'
import { Failure } from '../../base/errors.ts'
import { operationOf, requireDeployment, type ManagementDependencies } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { exactly, Id, IdParams, Moment, pageOf, PageQuerystring } from '../conventions/schemas.ts'

const readAccess = { scopes: ['effective-access:read'] }
const writeAccess = { scopes: ['effective-access:write'] }
const tags = ['effective access']

const Reason = exactly({
  effect: Type.Enum(['grants', 'takes_away', 'depends']),
  by: Type.String(),
  pattern: Type.Optional(Type.String()),
  id: Type.Optional(Id),
  name: Type.Optional(Type.String())
})
const Line = exactly({ scope: Type.String(), usable: Type.Boolean(), reasons: Type.Array(Reason) })
const WireCredential = exactly({
  credential: Id,
  kind: Type.String(),
  name: Type.String(),
  allowlist: Type.Array(Type.String()),
  createdAt: Moment,
  access: Type.Array(
    exactly({
      resource: Type.String(),
      scopes: Type.Array(Type.String(), { description: 'Scopes that it can use now.' }),
      lines: Type.Array(Line)
    })
  )
})
const AccessQuerystring = exactly({
  ...PageQuerystring,
  credential: Type.Optional(Id),
  resource: Type.Optional({ ...Id, description: 'By id or identifier.' }),
  address: Type.Optional(
    Type.String({
      maxLength: 64,
      description: 'The address that the credentials are used from. Omitted: lines that depend on it ' +
        'say so.'
    })
  )
})
const WireReplica = exactly({
  replica: Id,
  source: Type.Enum(['memory', 'database'], {
    description: 'Source of its checks. A server that reads the database for every check cannot drift.'
  }),
  held: Type.Integer({ description: 'Number of records in memory.' }),
  differences: Type.Array(
    exactly({
      kind: Type.String(),
      id: Type.String(),
      difference: Type.Enum(['changed', 'gone', 'not_held']),
      fields: Type.Array(Type.String())
    })
  )
})
const WireDrift = exactly({ differences: Type.Integer(), replicas: Type.Array(WireReplica) })
const WireRepair = exactly({ dryRun: Type.Boolean(), differences: Type.Integer(), replicas: Type.Array(WireReplica) })
/** Optional as a whole: Fastify passes a missing body to the schema as null. */
const Repair = Type.Union([
  exactly({ dryRun: Type.Optional(Type.Boolean({ description: 'Default: true.' })) }), Type.Null()
])

interface Dependencies extends ManagementDependencies { replicas: readonly Replica[] }

export const effectiveAccessRoutes = routes<Dependencies>(
  listOrganizationEffectiveAccessRoute, getEffectiveAccessDriftRoute, repairEffectiveAccessRoute
)

function listOrganizationEffectiveAccessRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/organizations/:id/effective-access', {
    config: readAccess,
    schema: {
      summary: 'List the effective access of the credentials of an organization',
      description: 'A page of credentials, each with its scopes by resource and the reasons that grant or remove them.',
      tags,
      params: IdParams,
      querystring: AccessQuerystring,
      response: { 200: pageOf(WireCredential) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const { id } = await getOrganization(operation, request.params.id)
    const address = readAddress(request.query.address)
    const resourceId = request.query.resource === undefined
      ? null
      : (await getResource(operation, request.query.resource)).id
    const source = request.query.credential === undefined
      ? credentialAccesses(operation.store, id, operation.clock(), query.after)
      : one(await credentialOf(operation, id, request.query.credential))
    const items = await take(query.limit + 1, source, resourceId)
    const sets = await setsOf(operation.store, id)
    const page = { items: items.slice(0, query.limit), hasMore: items.length > query.limit }
    return wirePage(query, page, credential => wireCredential(credential, sets, { address, now: operation.clock() }))
  })
}

function getEffectiveAccessDriftRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/effective-access/drift', {
    config: readAccess,
    schema: {
      summary: 'Compare the caches of the servers with the database',
      description: 'Requires a deployment-wide credential.',
      tags,
      response: { 200: WireDrift },
    },
  }, async request => {
    requireDeployment(operationOf(dependencies, request), 'Comparing caches with the database')
    return wireDrift(await driftOf(dependencies.replicas))
  })
}

function repairEffectiveAccessRoute (app: RouteContext, dependencies: Dependencies): void {
  app.post('/effective-access/repair', {
    config: writeAccess,
    schema: {
      summary: 'Repair drift; a dry run unless `dryRun` is false',
      description: 'Reloads the records that differ, and lists the differences. Requires a deployment-wide credential.',
      tags,
      body: Repair,
      response: { 200: WireRepair },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    requireDeployment(operation, 'Repairing drift')
    const dryRun = request.body?.dryRun ?? true
    return { dryRun, ...wireDrift(await repairDrift(operation, dependencies.replicas, dryRun)) }
  })
}

function readAddress (text: string | undefined): string | null {
  if (text === undefined) return null
  const address = canonicalAddress(text)
  if (address === null) {
    throw new Failure('invalid_request', {
      message: `${JSON.stringify(text)} is not an IP address.`, details: { field: 'address' }
    })
  }
  return address
}

async function credentialOf (
  { store, clock }: Operation<Repositories>, organizationId: string, id: string
): Promise<CredentialAccess> {
  const found = await credentialAccess(store, id, clock())
  return requireVisible({ organizationId }, found, 'credential', id)
}

async function * one<T> (item: T): AsyncGenerator<T> {
  yield item
}

/** The first `count` credentials with access to the resource, with that access only; null: to any resource. */
async function take (
  count: number, source: AsyncGenerator<CredentialAccess>, resourceId: string | null
): Promise<CredentialAccess[]> {
  const taken: CredentialAccess[] = []
  for await (const credential of source) {
    const accesses = resourceId === null
      ? credential.accesses
      : credential.accesses.filter(({ resource }) => resource.id === resourceId)
    if (resourceId === null || accesses.length > 0) taken.push({ ...credential, accesses })
    if (taken.length === count) break
  }
  return taken
}

async function setsOf ({ policies }: Store, organizationId: string): Promise<PolicySet[]> {
  return [compilePolicies(await policies.of(null)), compilePolicies(await policies.of(organizationId))]
}

function wireCredential (
  credential: CredentialAccess, sets: readonly PolicySet[], circumstances: { address: string | null, now: Date }
) {
  const { id, kind, name, allowlist, createdAt, accesses } = credential
  return {
    credential: id,
    kind,
    name,
    allowlist: [...allowlist],
    createdAt,
    access: accesses.map(access => underPolicies(sets, credential, access, circumstances)).map(access => ({
      resource: access.resource.identifier,
      scopes: usableScopes(access),
      lines: access.lines.map(({ scope, usable, reasons }) => ({ scope, usable, reasons: [...reasons] })),
    })),
  }
}

function wireDrift (reports: readonly DriftReport[]) {
  return {
    differences: reports.reduce((sum, { differences }) => sum + differences.length, 0),
    replicas: reports.map(({ replica, differences }) => ({
      replica: replica.id,
      source: replica.source,
      held: replica.held,
      differences: differences.map(difference => ({ ...difference, fields: [...difference.fields] }))
    }))
  }
}

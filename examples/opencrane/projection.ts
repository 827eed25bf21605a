/**
 * Projection of what is declared to Latchkey, and the drift between them: an organization, its budget and its virtual
 * key for each tenant; a policy of the deployment for each tenant to which MCP servers are denied.
 */
import { operatorsId } from '../../src/index.ts'
import { microDollars, setMonthlyLimit, type Budget } from './ai-budget.ts'
import { Refusal, type Latchkey } from './control-plane.ts'
import type { Plane } from './context.ts'
import type { Declarations, Tenant } from './declarations.ts'

/** The virtual key that was made, with its text, which is told once. */
export interface Made { litellmKey?: { id: string, key: string } }

/** A difference between what is declared and what Latchkey has. */
export interface Drift {
  name: string
  difference: 'missing' | 'renamed' | 'phase' | 'budget' | 'denied_servers' | 'undeclared'
  declared: unknown
  live: unknown
}

interface Organization { id: string, name: string, status: string }
interface Server { id: string, identifier: string, name: string }
interface LivePolicy {
  id: string,
  name: string,
  effect: string,
  enabled: boolean
  conditions: { organizations?: string[], resources?: string[] } | null
}

/** Makes the organization of a tenant as it is declared. Sets `organization` of a new one. */
export async function projectTenant (latchkey: Latchkey, tenant: Tenant): Promise<void> {
  const live = await organizationOf(latchkey, tenant)
  if (live === null) {
    const { id } = await latchkey.send<Organization>('POST', '/organizations', { name: tenant.name })
    tenant.organization = id
  } else if (live.name !== tenant.name) {
    await latchkey.send('PATCH', `/organizations/${live.id}`, { name: tenant.name })
  }
  const isSuspended = live?.status === 'suspended'
  if (isSuspended !== tenant.suspended) {
    await latchkey.send('POST', `/organizations/${tenant.organization!}/${tenant.suspended ? 'suspend' : 'resume'}`)
  }
  await projectBudget(latchkey, tenant)
}

/** Sets the budget of the month as it is declared. */
async function projectBudget (latchkey: Latchkey, tenant: Tenant): Promise<void> {
  const path = `/budgets/organizations/${tenant.organization!}`
  const { month } = await latchkey.get<Budget>(path)
  const declared = monthlyLimitOf(tenant)
  if (month.limit !== declared) await setMonthlyLimit(latchkey, path, declared)
}

/** Micro-dollars; null: unlimited. */
function monthlyLimitOf ({ monthlyBudgetUsd }: Tenant): number | null {
  return monthlyBudgetUsd === undefined ? null : microDollars(monthlyBudgetUsd)
}

/**
 * Makes the virtual key of a tenant, unless it is suspended, or there is one that works or can be enabled; that one
 * again for the request that made it. `idempotencyKey`: of the request, which is repeated if its answer was lost.
 */
export async function provideKey (
  { gateway }: Plane, latchkey: Latchkey, { organization, suspended }: Tenant, idempotencyKey?: string
): Promise<Made> {
  if (suspended) return {}
  const path = `/organizations/${organization!}/virtual-key`
  const before = await latchkey.find<{ status: string }>(path)
  const isThere = before?.status === 'active' || before?.status === 'disabled'
  if (isThere && idempotencyKey === undefined) return {}
  const headers: Record<string, string> = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }
  try {
    const { id, key } = await latchkey.send('POST', path, { resource: gateway, scopes: ['models:use'] }, headers)
    return { litellmKey: { id, key } }
  } catch (error) {
    // Another request made it.
    if (isThere && error instanceof Refusal && error.code === 'CONFLICT') return {}
    throw error
  }
}

/** Null: it was not made yet, or is gone. */
async function organizationOf (latchkey: Latchkey, { organization }: Tenant): Promise<Organization | null> {
  if (organization === undefined) return null
  const found = await latchkey.find<Organization>(`/organizations/${organization}`)
  return found?.status === 'deleted' ? null : found
}

/** What differs between the declared tenants and their organizations. */
export async function driftOfTenants ({ declared }: Plane, latchkey: Latchkey): Promise<Drift[]> {
  const live = new Map(
    (await latchkey.all<Organization>('/organizations')).filter(({ status }) => status !== 'deleted')
      .map(organization => [organization.id, organization])
  )
  const found: Drift[] = []
  for (const tenant of declared.tenants.values()) {
    const projected = tenant.organization === undefined ? undefined : live.get(tenant.organization)
    live.delete(projected?.id ?? '')
    found.push(...await driftOfTenant(latchkey, tenant, projected))
  }
  live.delete(operatorsId)
  return [...found, ...[...live.values()].map(({ name, id }) => (
    { name, difference: 'undeclared' as const, declared: null, live: id }
  ))]
}

async function driftOfTenant (latchkey: Latchkey, tenant: Tenant, live: Organization | undefined): Promise<Drift[]> {
  const { name, suspended } = tenant
  const phase = suspended ? 'suspended' : 'active'
  if (live === undefined) return [{ name, difference: 'missing', declared: phase, live: null }]
  const { month: { limit } } = await latchkey.get<Budget>(`/budgets/organizations/${live.id}`)
  const compared = [
    { name, difference: 'renamed', declared: name, live: live.name },
    { name, difference: 'phase', declared: phase, live: live.status },
    { name, difference: 'budget', declared: monthlyLimitOf(tenant), live: limit }
  ] as const
  return compared.filter(each => each.declared !== each.live)
}

/** The MCP servers that are denied to a tenant, by their address: what no policy or grant lets it use. */
export function deniedServers ({ policies, servers }: Declarations, tenant: Tenant, all: readonly Server[]): string[] {
  const about = [...policies.values()].filter(policy => isAbout(policy.tenantSelector, tenant))
  return all.filter(({ id, name }) => {
    const grants = servers.get(id)?.grants ?? []
    return (grants.length > 0 && !grants.some(grant => grant.tenant === tenant.name)) ||
      about.some(({ mcpServers: { allow, deny } = {} }) =>
        deny?.includes(name) === true || (allow !== undefined && allow.length > 0 && !allow.includes(name)))
  }).map(({ identifier }) => identifier).toSorted()
}

function isAbout (
  { matchLabels = {}, matchTeam }: { matchLabels?: Record<string, string>, matchTeam?: string } = {},
  { name, team }: Tenant
): boolean {
  const labels: Record<string, string | undefined> = { tenant: name, team }
  return (matchTeam === undefined || matchTeam === team) &&
    Object.entries(matchLabels).every(([label, value]) => labels[label] === value)
}

/** A tenant's policy as it should be, and as it is. */
interface Projection { tenant: Tenant, denied: string[], live: LivePolicy | undefined }

async function projections ({ declared }: Plane, latchkey: Latchkey): Promise<Projection[]> {
  const [servers, policies] = await Promise.all([
    latchkey.all<Server>('/resources', { kind: 'mcp', status: 'active' }),
    latchkey.all<LivePolicy>('/policies', { organization: 'deployment' })
  ])
  const byName = new Map(policies.map(policy => [policy.name, policy]))
  return [...declared.tenants.values()].flatMap(tenant => tenant.organization === undefined
    ? []
    : [{
        tenant, denied: deniedServers(declared, tenant, servers), live: byName.get(policyName(tenant))
      }])
}

function policyName ({ name }: Tenant): string {
  return `OpenCrane: MCP servers denied to ${name}`
}

/** The servers that the policy in force denies to the tenant. */
function deniedBy ({ tenant, live }: Projection): string[] {
  const { effect, enabled, conditions } = live ?? {}
  const isInForce = enabled === true && effect === 'deny' && conditions?.organizations?.includes(tenant.organization!)
  return isInForce === true ? (conditions?.resources ?? []).toSorted() : []
}

function isSame (one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((each, index) => each === other[index])
}

/** Deletes the policy of a tenant that is gone. */
export async function deletePolicyOf (latchkey: Latchkey, tenant: Tenant): Promise<void> {
  for (const { id, name } of await latchkey.all<LivePolicy>('/policies', { organization: 'deployment' })) {
    if (name === policyName(tenant)) await latchkey.send('DELETE', `/policies/${id}`)
  }
}

/** What differs between the declared policies and those in force. */
export async function driftOfPolicies (plane: Plane, latchkey: Latchkey): Promise<Drift[]> {
  return (await projections(plane, latchkey)).flatMap(each => isSame(each.denied, deniedBy(each))
    ? []
    : [{
        name: each.tenant.name, difference: 'denied_servers', declared: each.denied, live: deniedBy(each)
      }])
}

/** Makes the policies in force as they are declared. */
export async function projectPolicies (plane: Plane, latchkey: Latchkey): Promise<void> {
  for (const each of await projections(plane, latchkey)) {
    if (isSame(each.denied, deniedBy(each))) continue
    const { tenant, denied, live } = each
    const conditions = { organizations: [tenant.organization], resources: denied }
    const wanted = { effect: 'deny', enabled: true, conditions }
    if (live === undefined) {
      await latchkey.send('POST', '/policies', { name: policyName(tenant), ...wanted })
    } else if (denied.length === 0) await latchkey.send('DELETE', `/policies/${live.id}`)
    else await latchkey.send('PATCH', `/policies/${live.id}`, wanted)
  }
}

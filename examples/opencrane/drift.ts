/** Drift between what is declared and what is in force: reported, repaired, and measured. */
import { Type } from 'typebox'
import { DryRun, requireOperator, type Collection, type Plane } from './context.ts'
import type { Latchkey } from './control-plane.ts'
import { driftOfPolicies, driftOfTenants, projectPolicies, projectTenant, type Drift } from './projection.ts'

const WireDrift = Type.Object({
  drifted: Type.Array(Type.Object({
    name: Type.String(),
    difference: Type.Enum(['missing', 'renamed', 'phase', 'budget', 'denied_servers', 'undeclared']),
    declared: Type.Unknown(),
    live: Type.Unknown()
  }))
})
const Repaired = Type.Object({ dryRun: Type.Boolean(), ...WireDrift.properties })
const Measured = Type.Object({
  declared: Type.Integer(),
  drifted: Type.Integer(),
  lagSeconds: Type.Integer({ description: 'Since the drift was first measured; 0: there is none.' })
})
const Metrics = Type.Object({
  tenant: Measured,
  accessPolicy: Measured,
  evaluatedAt: Type.String({ format: 'date-time' }),
  alertFired: Type.Boolean()
})

type Reported = (plane: Plane, latchkey: Latchkey) => Promise<Drift[]>

/**
 * Projects the tenants that differ. An organization that is not declared is reported, and never deleted. No virtual key
 * is made: no answer of a repair would have its text.
 */
async function projectTenants (plane: Plane, latchkey: Latchkey, drifted: readonly Drift[]): Promise<void> {
  const { declared } = plane
  const names = new Set(drifted.filter(({ difference }) => difference !== 'undeclared').map(({ name }) => name))
  await declared.change(async () => {
    for (const tenant of declared.tenants.values()) {
      if (names.has(tenant.name)) await projectTenant(latchkey, tenant)
    }
  })
}

export const drift: Collection = (app, plane) => {
  const kinds: [path: string, kind: string, Reported, typeof projectTenants][] = [
    ['/tenants', 'Tenant', driftOfTenants, projectTenants], ['/policies', 'Policy', driftOfPolicies, projectPolicies]
  ]
  for (const [path, kind, reported, project] of kinds) {
    const tags = [`${path === '/tenants' ? 'Tenants' : 'Policies'}`]
    app.get(`${path}/drift`, {
      schema: {
        operationId: `get${kind}ProjectionDrift`,
        summary: 'Report what differs from its declaration',
        tags,
        response: { 200: WireDrift }
      }
    }, async request => {
      const latchkey = plane.latchkey(request)
      await requireOperator(latchkey)
      return { drifted: await reported(plane, latchkey) }
    })

    app.post(`${path}/repair`, {
      schema: {
        operationId: `repair${kind}Projection`,
        summary: 'Make it as declared; a dry run unless `dryRun=false`',
        tags,
        querystring: DryRun,
        response: { 200: Repaired }
      }
    }, async request => {
      const latchkey = plane.latchkey(request)
      await requireOperator(latchkey)
      const drifted = await reported(plane, latchkey)
      const { dryRun = true } = request.query
      if (!dryRun) await project(plane, latchkey, drifted)
      return { dryRun, drifted }
    })
  }
  driftMetrics(app, plane)
}

const driftMetrics: Collection = (app, plane) => {
  const since = new Map<string, number>()
  const measured = (kind: string, declared: number, drifted: readonly Drift[]) => {
    if (drifted.length === 0) since.delete(kind)
    else if (!since.has(kind)) since.set(kind, Date.now())
    const lagSeconds = Math.floor((Date.now() - (since.get(kind) ?? Date.now())) / 1_000)
    return { declared, drifted: drifted.length, lagSeconds }
  }
  app.get('/metrics/projection-drift', {
    schema: {
      operationId: 'getProjectionDriftMetrics',
      summary: 'Count what differs from its declaration',
      tags: ['Metrics'],
      response: { 200: Metrics }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    await requireOperator(latchkey)
    const { tenants, policies } = plane.declared
    const tenant = measured('tenant', tenants.size, await driftOfTenants(plane, latchkey))
    const accessPolicy = measured('policy', policies.size, await driftOfPolicies(plane, latchkey))
    const alertFired = tenant.drifted + accessPolicy.drifted > 0
    return { tenant, accessPolicy, evaluatedAt: new Date().toISOString(), alertFired }
  })
}

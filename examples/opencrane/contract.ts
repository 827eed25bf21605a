/** The effective contract of a tenant: what it can do, compiled from its declaration and Latchkey's records. */
import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import { NameParams, type Collection } from './context.ts'
import { deniedServers } from './projection.ts'
import { visibleTenant } from './tenants.ts'

const Anything = Type.Object({}, { additionalProperties: true })
const Contract = Type.Object({
  contractId: Type.String(),
  contractVersion: Type.String({ description: 'Another one whenever the contract is.' }),
  tenant: Anything,
  awareness: Anything,
  mcp: Anything,
  skills: Anything,
  credentials: Type.Array(Anything)
})

interface Server { id: string, identifier: string, name: string }
interface Credential {
  credential: string, kind: string, name: string, access: { resource: string, scopes: string[] }[]
}

export const contract: Collection = (app, plane) => {
  app.get('/tenants/:name/effective-contract', {
    schema: {
      operationId: 'getTenantEffectiveContract',
      summary: 'Compile what a tenant and its credentials can do',
      tags: ['Tenants'],
      params: NameParams,
      response: { 200: Contract }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const { tenant, organization } = await visibleTenant(plane, latchkey, request.params.name)
    const servers = await latchkey.all<Server>('/resources', { kind: 'mcp', status: 'active' })
    const denied = new Set(deniedServers(plane.declared, tenant, servers))
    const named = (isDenied: boolean) =>
      servers.filter(({ identifier }) => denied.has(identifier) === isDenied).map(({ name }) => name).toSorted()
    const credentials = await latchkey.all<Credential>(`/organizations/${organization.id}/effective-access`)
    const compiled = {
      tenant: { name: tenant.name, team: tenant.team ?? null, phase: organization.status },
      awareness: { datasets: tenant.datasets },
      mcp: { allowed: named(false), denied: named(true) },
      skills: { allowlist: tenant.skillAllowlist ?? null },
      credentials: credentials.map(({ credential, kind, name, access }) => ({
        id: credential, kind, name, access: access.map(({ resource, scopes }) => ({ resource, scopes }))
      }))
    }
    const contractVersion = createHash('sha256').update(JSON.stringify(compiled)).digest('hex').slice(0, 16)
    return { contractId: `${tenant.name}-${contractVersion}`, contractVersion, ...compiled }
  })
}

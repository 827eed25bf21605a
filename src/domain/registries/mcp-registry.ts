/**
 * MCP servers as an MCP registry lists them (registry API v0.1, server.json of 2025-12-11). Read-only: the entries are
 * the resources of an organization, each with its present version alone.
 */
import type { Operation } from '../core/operation.ts'
import { everyRow } from '../core/page.ts'
import { requireVisible } from '../core/operation.ts'
import { Failure } from '../../base/errors.ts'
import type { Resource, ResourcePort } from '../resources/resource.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import { identifierNamed, registryName } from './registry-name.ts'

/** A server with its name in the registry. */
export interface RegistryEntry { name: string, server: Resource }

export interface RegistryQuery {
  organizationId: string
  /** A part of the name, in any case; absent: all. */
  search?: string
  /** `latest`, or an exact one; absent: all, which is the same, because each server has one version. */
  version?: string
  /** Ended servers, too. */
  includeDeleted: boolean
  limit: number
  /** The name behind which the page begins; null: the first. */
  after: string | null
}

/** A page by name. @throws Failure `not_found` for an organization that the actor does not see. */
export async function listRegistry (
  operation: Operation<OrganizationPort & ResourcePort>,
  { organizationId, search, version, includeDeleted, limit, after }: RegistryQuery
): Promise<{ entries: RegistryEntry[], hasMore: boolean }> {
  await requireOrganization(operation, organizationId)
  const wanted = search?.trim().toLowerCase() ?? ''
  const found: RegistryEntry[] = []
  const filter = { organizationId, kind: 'mcp' as const, ...(includeDeleted ? {} : { revoked: false }) }
  for await (const server of everyRow(query => operation.store.resources.page(query, filter))) {
    const name = registryName(server)
    const isWanted = name.toLowerCase().includes(wanted) && isVersion(server, version)
    if (isWanted && (after === null || name > after)) found.push({ name, server })
  }
  found.sort((one, other) => one.name < other.name ? -1 : 1)
  return { entries: found.slice(0, limit), hasMore: found.length > limit }
}

/** A server by its name. `version`: `latest` or its own; absent: any. @throws Failure `not_found`. */
export async function registryEntry (
  operation: Operation<OrganizationPort & ResourcePort>,
  { organizationId, name, version, includeDeleted }: {
    organizationId: string, name: string, version?: string, includeDeleted: boolean
  }
): Promise<RegistryEntry> {
  await requireOrganization(operation, organizationId)
  const named = identifierNamed(name)
  const { resources } = operation.store
  const server = named === null
    ? null
    : 'id' in named
      ? await resources.get(named.id)
      : await resources.byIdentifier(named.identifier)
  const isThere = server?.kind === 'mcp' && server.organizationId === organizationId &&
    registryName(server) === name && (includeDeleted || server.revokedAt === null) && isVersion(server, version)
  if (isThere) return { name, server }
  throw new Failure('not_found', { message: 'Server not found' })
}

function isVersion (server: Resource, version: string | undefined): boolean {
  return version === undefined || version === 'latest' || version === server.version
}

async function requireOrganization (
  { store, actor }: Operation<OrganizationPort & ResourcePort>, organizationId: string
): Promise<void> {
  const organization = await store.organizations.get(organizationId)
  requireVisible(actor, organization && { organizationId: organization.id }, 'organization', organizationId)
}

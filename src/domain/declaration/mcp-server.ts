/** MCP servers: resources that clients find by themselves, from a 401 to a token (OC-06). */
import type { ClientGenerations } from '../resources/resource.ts'
import { Failure } from '../../base/errors.ts'
import type { Resource } from '../resources/resource.ts'
import { createResource } from './resource-declaration.ts'
import { revokeResource, updateResource } from './resource-change.ts'
import { resourceMetadataUrl } from '../resources/resource-metadata.ts'
import type { Scope } from '../resources/scope.ts'
import { styles } from '../resources/style.ts'
import { requireVisible, type Operation } from '../core/operation.ts'
import type { ResourcePort } from '../resources/resource.ts'
import type { AuditPort } from '../audit/log.ts'
import type { SigningKeyPort } from '../tokens/signing-key.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'

/** The ports of the operations of this file. */
type Ports = AuditPort & ClientGenerations & OrganizationPort & ResourcePort & SigningKeyPort

export interface McpServerInput {
  /** Null: the deployment's, for every organization. */
  organizationId: string | null
  identifier: string
  name?: string
  scopes: readonly Scope[]
  /** Scopes of clients that register with the organization's registration token, unless the token names a resource. */
  defaultScopes?: readonly string[]
  /** As registries show it; left out: none, and 1.0.0. */
  title?: string | null
  description?: string | null
  version?: string
}

/**
 * @throws Failure as `createResource`, and `invalid_request` for an identifier without a host: there would be no place
 * for its metadata (RFC 9728 §3.1).
 */
export async function createMcpServer (operation: Operation<Ports>, input: McpServerInput): Promise<Resource> {
  if (resourceMetadataUrl(input.identifier) === null) {
    throw new Failure('invalid_request', {
      message: `${
        JSON.stringify(input.identifier.slice(0, 64))
      } cannot name an MCP server: use its URL, https://mcp.example.com/mcp say.`,
      details: { field: 'identifier' }
    })
  }
  return await createResource(operation, { ...input, kind: 'mcp', style: styles.opencrane })
}

/**
 * By id or identifier. @throws Failure `not_found`, also for one of another organization, and for a resource that is no
 * MCP server.
 */
export async function getMcpServer (
  { store, actor }: Operation<ResourcePort>, idOrIdentifier: string
): Promise<Resource> {
  const found = await store.resources.get(idOrIdentifier) ?? await store.resources.byIdentifier(idOrIdentifier)
  return requireVisible(actor, found?.kind === 'mcp' ? found : null, 'MCP server', idOrIdentifier)
}

export interface McpServerChange {
  name?: string
  scopes?: readonly Scope[]
  defaultScopes?: readonly string[]
  title?: string | null
  description?: string | null
  version?: string
}

/** Changes it as a resource is changed. Default scopes are for clients that register from then on. */
export async function updateMcpServer (
  operation: Operation<AuditPort & ClientGenerations & ResourcePort & SigningKeyPort>,
  idOrIdentifier: string,
  change: McpServerChange
): Promise<Resource> {
  return await updateResource(operation, (await getMcpServer(operation, idOrIdentifier)).id, change)
}

/** Ends it: every credential for it is refused. Idempotent. */
export async function revokeMcpServer (
  operation: Operation<AuditPort & ResourcePort>, idOrIdentifier: string
): Promise<Resource> {
  return await revokeResource(operation, (await getMcpServer(operation, idOrIdentifier)).id)
}

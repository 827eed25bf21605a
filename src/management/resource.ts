/** The management API as a resource: its identifier, and the scopes that credentials for it may have. */
import { managementResourceId, type Resource } from '../domain/resources/resource.ts'
import type { Scope } from '../domain/resources/scope.ts'
import { portalScopes } from '../domain/resources/portal-scopes.ts'
import { managementStyle } from '../domain/resources/style.ts'

/**
 * The path below which the management API is served, unless an application mounts it elsewhere; part of its
 * identifier in either case.
 */
export const managementPath = '/api/v1'

/** Where the management API is served; false: nowhere, nor its documents and the dashboard, which calls it. */
export type ManagementPlace = false | { prefix: string }

/** Collections with a scope for reading and a scope for writing. */
const collections = [
  'organizations',
  'members',
  'invitations',
  'identity-providers',
  'groups',
  'policies',
  'effective-access',
  'resources',
  'clients',
  'client-approvals',
  'authorizations',
  'api-keys',
  'publishable-keys',
  'webhook-tokens',
  'registration-tokens',
  'access-tokens',
  'mcp-servers',
  'trusted-issuers',
  'skills',
  'third-party-sources',
  'signing-keys',
  'provider-keys',
  'budgets',
  'spend'
]

/**
 * What members may allow clients, where the deployment offers it: reading records of the organization, none of which
 * has a secret. With the words of the consent page. Scopes for the deployment alone are not among them.
 */
export const readableForMembers: Readonly<Record<string, string>> = {
  'organizations:read': 'Read the organization, its plan and its limits',
  'members:read': 'Read the members, with their e-mail addresses and roles',
  'invitations:read': 'Read the invitations',
  'identity-providers:read': 'Read the identity providers and e-mail domains',
  'groups:read': 'Read the groups and who is in them',
  'policies:read': 'Read the access policies',
  'effective-access:read': 'Read which credentials have access to what',
  'resources:read': 'Read the APIs and their scopes',
  'clients:read': 'Read the OAuth clients, without their secrets',
  'client-approvals:read': 'Read which clients are approved',
  'authorizations:read': 'Read what members have allowed clients',
  'api-keys:read': 'Read the API keys, without their secrets',
  'publishable-keys:read': 'Read the publishable keys',
  'webhook-tokens:read': 'Read the tokens of webhooks, without their secrets',
  'registration-tokens:read': 'Read the registration tokens, without their secrets',
  'access-tokens:read': 'Read the tokens of this API, without their secrets',
  'mcp-servers:read': 'Read the MCP servers',
  'skills:read': 'Read and download the skills',
  'third-party-sources:read': 'Read the third-party registries, without their headers',
  'trusted-issuers:read': 'Read the issuers whose workloads get tokens, and their rules',
  'audit:read': 'Read the audit log, with addresses of people',
  'usage:read': 'Read how much credentials are used',
  'credits:read': 'Read the credits and their use',
  'provider-keys:read': 'Read which keys of AI providers are set, without their texts',
  'budgets:read': 'Read the AI budget and what is left of it',
  'spend:read': 'Read what was spent on AI models',
}

/** The scopes that a credential may be granted on the management API. */
export const managementScopes: readonly Scope[] = [...[
  ...collections.flatMap(collection => [`${collection}:read`, `${collection}:write`]),
  'audit:read',
  'audit:write',
  'usage:read',
  'credits:read',
  'credits:write',
  'provider-keys:lease',
  'server:read',
  'replicas:read',
  'replicas:write'
].map(name => ({ name, keyOnly: false, description: readableForMembers[name] ?? null })), ...portalScopes]

/**
 * The resource that credentials for the management API are issued for. `isAuthorizable`: members may allow clients to
 * read through it.
 */
export function managementResource (
  issuer: string, isAuthorizable: boolean
): Pick<Resource, 'id' | 'identifier' | 'name' | 'scopes' | 'style' | 'defaultScopes'> {
  return {
    id: managementResourceId,
    identifier: issuer + managementPath,
    name: 'Latchkey management API',
    scopes: managementScopes,
    style: managementStyle,
    defaultScopes: isAuthorizable ? Object.keys(readableForMembers) : []
  }
}

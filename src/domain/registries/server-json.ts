/** server.json of an MCP server, in the schema of 2025-12-11, and what a registry says beside it. */
import { hostedMetadataUrl } from '../resources/resource-metadata.ts'
import type { Resource } from '../resources/resource.ts'
import { tokenScopesOf } from '../resources/token-scopes.ts'
import type { RegistryEntry } from './mcp-registry.ts'

const schema = 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json'

/** The most characters of a title and of a description. */
export const longestListingText = 100

/** Where clients of the servers get their tokens. */
export interface Authorizing {
  issuer: string
  /** Null: this server registers no clients. */
  registrationEndpoint: string | null
}

/** The entry of a registry: a server, and what the registry itself says of it. */
export function registryAnswer ({ name, server }: RegistryEntry, authorizing: Authorizing) {
  const { createdAt, revokedAt } = server
  return {
    server: serverJson(name, server, authorizing),
    _meta: {
      'io.modelcontextprotocol.registry/official': {
        status: revokedAt === null ? 'active' as const : 'deleted' as const,
        statusChangedAt: revokedAt ?? createdAt,
        publishedAt: createdAt,
        isLatest: true,
      }
    }
  }
}

function serverJson (name: string, server: Resource, { issuer, registrationEndpoint }: Authorizing) {
  const title = shortened(server.title ?? server.name)
  const { tokenScopes, initialScopes } = tokenScopesOf(server)
  return {
    $schema: schema,
    name,
    title,
    description: server.description ?? title,
    version: server.version,
    remotes: [{ type: 'streamable-http' as const, url: server.identifier }],
    _meta: {
      'io.modelcontextprotocol.registry/publisher-provided': {
        authorizationServer: issuer,
        resourceMetadata: hostedMetadataUrl(server, issuer),
        scopes: tokenScopes,
        defaultScopes: initialScopes,
        ...(registrationEndpoint === null ? {} : { registrationEndpoint }),
      }
    }
  }
}

function shortened (text: string): string {
  const characters = [...text]
  return characters.length <= longestListingText ? text : `${characters.slice(0, longestListingText - 1).join('')}…`
}

/** The resource that a client asks about: one whose credentials it may introspect. */
import { Failure } from '../base/errors.ts'
import type { Registry } from '../domain/access/registry.ts'
import type { Client } from '../domain/credentials/client.ts'
import { managementResourceId, type Resource } from '../domain/resources/resource.ts'

/**
 * The resource of an id or an identifier. @throws Failure `insufficient_permissions`, alike for a resource that does
 * not exist, that the client may not ask about, and for the management API, whose credentials are good there alone.
 */
export async function requireAsked (
  registry: Pick<Registry, 'resource' | 'resourceByIdentifier'>, { introspects }: Client, named: string
): Promise<Resource> {
  const resource = introspects.includes(named)
    ? await registry.resource(named)
    : await registry.resourceByIdentifier(named)
  if (
    resource === null || resource.revokedAt !== null || resource.id === managementResourceId ||
    !introspects.includes(resource.id)
  ) {
    throw new Failure('insufficient_permissions', {
      message: `This client may not ask about ${JSON.stringify(named.slice(0, 256))}: it needs the resource among ` +
        'those it introspects: `latchkey client update CLIENT --introspect RESOURCE`.'
    })
  }
  return resource
}

/** Gateways: clients of the deployment that may reserve spending, or read provider keys. */
import type { FastifyRequest } from 'fastify'
import { addressOf } from '../../base/ip-address.ts'
import { Failure } from '../../base/errors.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { Actor } from '../../domain/core/actor.ts'
import type { Client } from '../../domain/credentials/client.ts'
import { managementResourceId } from '../../domain/resources/resource.ts'
import { expand } from '../../domain/resources/scope.ts'
import { askingClient, type AskingClientOptions } from '../asking-client.ts'
import type { ClientCredentials } from '../client-proof.ts'

/** The scopes of the management API that make a client a gateway. Nothing else can be done with them. */
export type GatewayScope = 'spend:write' | 'provider-keys:lease'

/**
 * The gateway behind a request. One of an organization is refused: it could use up the budgets of others, and read
 * what the members of its organization may not.
 * @throws Failure as `askingClient`, `insufficient_permissions`.
 */
export async function requireGateway (
  asking: AskingClientOptions, registry: Registry, request: FastifyRequest, endpoint: string, scope: GatewayScope
): Promise<Client> {
  const client = await askingClient(asking, request, endpoint, (request.body ?? {}) as ClientCredentials)
  if (client.organizationId === null && await holds(registry, client, scope)) return client
  throw new Failure('insufficient_permissions', {
    message: `This takes a client of the deployment, without an organization, that has the scope ${scope} of the ` +
      `management API: \`latchkey client create --deployment --resource ISSUER/api/v1 --scope ${scope}\`.`
  })
}

async function holds (registry: Registry, { grants }: Client, scope: GatewayScope): Promise<boolean> {
  const granted = grants.find(({ resourceId }) => resourceId === managementResourceId)
  const resource = granted === undefined ? null : await registry.resource(managementResourceId)
  return resource !== null && expand(granted!.scopes, resource.scopes).includes(scope)
}

/** The gateway as the actor of what it does. */
export function gatewayActor ({ id }: Client, request: FastifyRequest): Actor {
  return {
    id,
    organizationId: null,
    scopes: [],
    creator: null,
    restrictions: null,
    isClient: true,
    address: addressOf(request),
    requestId: request.id
  }
}

/** What is logged of admitted requests, so that people see the last ones of a credential. */
import type { FastifyReply } from 'fastify'
import { addressOf } from '../base/ip-address.ts'
import type { Principal } from '../domain/access/principal.ts'
import type { GuardedResource } from './guarded-resource.ts'
import type { RouteRequirements } from './needs.ts'
import type { Requests } from './verdict-record.ts'

/**
 * Logs an admitted request with the status of its answer, if there is room: under load there is none, and this costs a
 * comparison. Requests of people and of the admin token are not logged: these are no programs.
 */
export function logAdmitted (
  requests: Requests,
  { kind, id, organizationId, actingFor }: Principal,
  { request, statusCode: status }: FastifyReply,
  guarded: Pick<GuardedResource, 'latest'>,
  { route }: RouteRequirements
): void {
  if (kind === 'person' || kind === 'admin_token') return
  const credentialId = actingFor?.authorizationId ?? id
  if (!requests.takesAdmitted(credentialId)) return
  const resource = guarded.latest()
  requests.note({
    requestId: request.id,
    credentialId,
    organizationId,
    resourceId: resource?.id ?? null,
    resourceOwner: resource?.organizationId ?? null,
    route,
    status,
    reason: null,
    address: addressOf(request)
  })
}

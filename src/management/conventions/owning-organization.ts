/**
 * The default of `organization` in bodies: a credential of an organization may omit it, because it cannot name another.
 * It is filled in before the schema validates.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Failure } from '../../base/errors.ts'
import { Owner } from './schemas.ts'

interface ObjectSchema { properties?: Record<string, unknown> }

/** Completes the bodies of routes that take an `Owner`. Register it before the routes. */
export function completeOwner (app: FastifyInstance): void {
  app.addHook('preValidation', async request => {
    const { body } = request
    if (!takesOwner(request) || typeof body !== 'object' || body === null || 'organization' in body) return
    const { organizationId } = request.principal
    if (organizationId === null) {
      throw new Failure('invalid_request', {
        message: 'Name the organization that it should belong to.', details: { field: 'organization' }
      })
    }
    Object.assign(body, { organization: organizationId })
  })
}

function takesOwner ({ routeOptions: { schema } }: FastifyRequest): boolean {
  return (schema?.body as ObjectSchema | undefined)?.properties?.organization === Owner
}

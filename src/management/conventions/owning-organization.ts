/**
 * What belongs to an organization names it. A credential that is confined to one cannot mean another, and may leave it
 * out: it is put in before the schema looks.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Failure } from '../../base/errors.ts'
import { Owner } from './schemas.ts'

interface ObjectSchema { properties?: Record<string, unknown> }

/** Completes the bodies of a context whose routes take an `Owner`. Register it in front of the routes. */
export function completeOwner (app: FastifyInstance): void {
  app.addHook('preValidation', async request => {
    const { body } = request
    if (!takesOwner(request) || typeof body !== 'object' || body === null || 'organization' in body) return
    const { organizationId } = request.principal
    if (organizationId === null) {
      throw new Failure('invalid_request', {
        message: 'Name the organization that it is to belong to.', details: { field: 'organization' }
      })
    }
    Object.assign(body, { organization: organizationId })
  })
}

function takesOwner ({ routeOptions: { schema } }: FastifyRequest): boolean {
  return (schema?.body as ObjectSchema | undefined)?.properties?.organization === Owner
}

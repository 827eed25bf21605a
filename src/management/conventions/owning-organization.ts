/**
 * The default of `organization` in bodies: a credential of an organization may omit it, because it cannot name another.
 * It is filled in before the schema validates.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Failure } from '../../base/errors.ts'
import { Owner, OwnerOrDeployment } from './schemas.ts'

interface ObjectSchema { properties?: Record<string, unknown> }

/** Completes the bodies of routes that take an owner. Register it before the routes. */
export function completeOwner (app: FastifyInstance): void {
  app.addHook('preValidation', async request => {
    const { body } = request
    const owner = ownerIn(request)
    if (owner === null || typeof body !== 'object' || body === null || 'organization' in body) return
    const { organizationId } = request.principal
    if (organizationId === null) {
      throw new Failure('invalid_request', {
        message: owner === Owner
          ? 'Name the organization that it should belong to.'
          : 'Name the organization that it should belong to; null is the deployment.',
        details: { field: 'organization' }
      })
    }
    Object.assign(body, { organization: organizationId })
  })
}

/** The schema of the owner that a body names; null: it names none. */
function ownerIn ({ routeOptions: { schema } }: FastifyRequest): typeof Owner | typeof OwnerOrDeployment | null {
  const named = (schema?.body as ObjectSchema | undefined)?.properties?.organization
  return named === Owner ? Owner : named === OwnerOrDeployment ? OwnerOrDeployment : null
}

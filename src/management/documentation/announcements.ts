/**
 * What routes have in common: the headers that every creation and every change takes, what those can end in, and that
 * no other query is taken.
 */
import type { FastifyInstance, RouteOptions } from 'fastify'
import { Type } from '../../http/typebox-lite.ts'
import type { FailureCode } from '../../base/errors.ts'
import { idempotencyKey, idempotencyKeyForm } from '../conventions/idempotent-creation.ts'
import { expectedRevisions, ifMatch } from '../conventions/etags.ts'
import { as, exactly } from '../conventions/schemas.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** It takes an Idempotency-Key (idempotent-creation.ts). True of every route that answers 201, unless given. */
    repeatable?: boolean
    /** It adds to what the thing in its path has, and leaves that thing as it is: no precondition applies. */
    appends?: boolean
  }
}

const idempotencyHeader = {
  name: 'Idempotency-Key',
  schema: as(
    Type.String({
      ...idempotencyKeyForm, description: 'The same request with the same key gets the same answer again, for a day.'
    }),
    '8e03978e-40d5-43e8-bc93-6894a57f9324'
  ),
  failures: ['conflict', 'idempotency_in_progress', 'idempotency_key_reused']
} as const
const ifMatchHeader = {
  name: 'If-Match',
  schema: as(
    Type.String({
      ...ifMatch,
      description: 'The ETag of what is to be changed: if it was changed meanwhile, nothing happens (RFC 9110 §13.1.1).'
    }),
    '"3"'
  ),
  failures: ['precondition_failed']
} as const

/** Register it in front of the routes that it is to describe. */
export function announceConventions (app: FastifyInstance): void {
  app.addHook('onRoute', route => {
    const repeatable = isRepeatable(route)
    const taken = [...(repeatable ? [idempotencyHeader] : []), ...(isChange(route) ? [ifMatchHeader] : [])]
    const failures = new Set<FailureCode>([...route.config?.failures ?? [], ...taken.flatMap(header => header.failures)])
    route.config = { ...route.config, repeatable, failures: [...failures] }
    if (taken.length === 0) return
    route.schema = {
      ...route.schema,
      headers: Type.Object(Object.fromEntries(taken.map(({ name, schema }) => [name, Type.Optional(schema)])))
    }
  })
  // In front of the schema of the headers, which knows no better words than `must match pattern`.
  app.addHook('preValidation', async request => {
    const { properties = {} } = (request.routeOptions.schema?.headers ?? {}) as { properties?: object }
    if (idempotencyHeader.name in properties) idempotencyKey(request)
    if (ifMatchHeader.name in properties) expectedRevisions(request)
  })
}

/**
 * A route that names no query takes none: what it does not know is refused, not ignored. Register it in front of the
 * routes.
 */
export function refuseUnknownQuery (app: FastifyInstance): void {
  app.addHook('onRoute', route => { route.schema = { querystring: exactly({}), ...route.schema } })
}

function isRepeatable ({ config, schema }: RouteOptions): boolean {
  return config?.repeatable ?? Object.keys(schema?.response ?? {}).includes('201')
}

/** Of the thing that the path names. */
function isChange ({ method, url, config }: RouteOptions): boolean {
  return url.includes('/:id') && config?.appends !== true && ['PATCH', 'PUT', 'DELETE', 'POST'].includes(String(method))
}

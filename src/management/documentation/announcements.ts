/**
 * Schemas that hold for many routes: the headers of every creation and change, their failures, and the refusal of
 * unknown query parameters.
 */
import type { FastifyInstance, RouteOptions } from 'fastify'
import { Type } from '../../http/typebox-lite.ts'
import type { FailureCode } from '../../base/errors.ts'
import {
  answerSeconds, answerSecondsForm, idempotencyKey, idempotencyKeyForm
} from '../conventions/idempotent-creation.ts'
import { expectedVersions, ifMatch } from '../conventions/etags.ts'
import { as, exactly } from '../conventions/schemas.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** It takes an Idempotency-Key (idempotent-creation.ts). Default: true for every route that answers 201. */
    repeatable?: boolean
    /** It changes a record that its path names without an id. */
    changes?: boolean
    /** It adds to a record without changing it: no precondition applies. */
    appends?: boolean
  }
}

const idempotencyHeader = {
  name: 'Idempotency-Key',
  schema: as(
    Type.String({
      ...idempotencyKeyForm, description: 'A repeated request with the same key gets the stored answer, for a day.'
    }),
    '8e03978e-40d5-43e8-bc93-6894a57f9324'
  ),
  failures: ['conflict', 'idempotency_in_progress', 'idempotency_key_reused', 'idempotency_answer_gone']
} as const
const lifetimeHeader = {
  name: 'Idempotency-Answer-Lifetime',
  schema: as(
    Type.String({ ...answerSecondsForm, description: 'Seconds for which the answer is stored, if less than a day.' }),
    '600'
  ),
  failures: []
} as const
const ifMatchHeader = {
  name: 'If-Match',
  schema: as(
    Type.String({
      ...ifMatch,
      description: 'The ETag of the record to change: if it changed since, the request is refused (RFC 9110 §13.1.1).'
    }),
    '"3"'
  ),
  failures: ['precondition_failed']
} as const

/** Adds the headers to routes. Register it before them. */
export function announceConventions (app: FastifyInstance): void {
  app.addHook('onRoute', route => {
    const repeatable = isRepeatable(route)
    const taken = [
      ...(repeatable ? [idempotencyHeader, lifetimeHeader] : []), ...(isChange(route) ? [ifMatchHeader] : [])
    ]
    const failures = new Set<FailureCode>([
      ...route.config?.failures ?? [], ...taken.flatMap(header => header.failures)
    ])
    route.config = { ...route.config, repeatable, failures: [...failures] }
    if (taken.length === 0) return
    route.schema = {
      ...route.schema,
      headers: Type.Object(Object.fromEntries(taken.map(({ name, schema }) => [name, Type.Optional(schema)])))
    }
  })
  // Before the schema of the headers, whose message would be `must match pattern`.
  app.addHook('preValidation', async request => {
    const { properties = {} } = (request.routeOptions.schema?.headers ?? {}) as { properties?: object }
    if (idempotencyHeader.name in properties) {
      idempotencyKey(request)
      answerSeconds(request)
    }
    if (ifMatchHeader.name in properties) expectedVersions(request)
  })
}

/**
 * A route without a query schema takes no query: unknown parameters are refused, not ignored. Register it before the
 * routes.
 */
export function refuseUnknownQuery (app: FastifyInstance): void {
  app.addHook('onRoute', route => { route.schema = { querystring: exactly({}), ...route.schema } })
}

function isRepeatable ({ config, schema }: RouteOptions): boolean {
  return config?.repeatable ?? Object.keys(schema?.response ?? {}).includes('201')
}

/** Whether the route changes the record that its path names. */
function isChange ({ method, url, config }: RouteOptions): boolean {
  const isNamed = url.includes('/:id') || config?.changes === true
  return isNamed && config?.appends !== true && ['PATCH', 'PUT', 'DELETE', 'POST'].includes(String(method))
}

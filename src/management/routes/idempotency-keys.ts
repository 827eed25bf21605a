/** Answers that are kept for the repetition of a creation: their caller has them deleted. */
import { Type } from '../../http/typebox-lite.ts'
import {
  ended, idempotencyKeyForm, withoutQuotes, type CreationDependencies
} from '../conventions/idempotent-creation.ts'
import { operationOf } from '../conventions/operation.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { as, exactly } from '../conventions/schemas.ts'

const IdempotencyKey = as(Type.String(idempotencyKeyForm), '8e03978e-40d5-43e8-bc93-6894a57f9324')

export const idempotencyKeyRoutes = routes<CreationDependencies>(forgetAnswerRoute)

/** The key is sent in the body: with it and LATCHKEY_SECRET a kept answer can be read, so no path may hold it. */
function forgetAnswerRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/idempotency-keys/forget', {
    config: { scopes: [] },
    schema: {
      summary: 'Forget the answer to an Idempotency-Key',
      description: 'Deletes the stored answer to a creation of this credential, with the secret in it. What was ' +
        'created stays; the same request with the same key is 409 from now on, and nothing is created twice. ' +
        'Idempotent.',
      operationId: 'forgetAnswer',
      tags: ['self'],
      body: exactly({ idempotencyKey: IdempotencyKey }),
      response: { 204: Type.Null() },
    },
  }, async (request, reply) => await ended(
    reply, dependencies.answers.forget(operationOf(dependencies, request), withoutQuotes(request.body.idempotencyKey))
  ))
}

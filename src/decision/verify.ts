/** `POST /api/v1/verify`: a check that counts, of one credential or of many, for an API in any process. */
import type { Registry } from '../domain/access/registry.ts'
import type { KeptAnswers } from '../domain/core/kept-answers.ts'
import { inSpan } from '../telemetry/tracing.ts'
import type { AdmissionDependencies } from '../guard/admission.ts'
import type { RecordDependencies } from '../guard/verdict-record.ts'
import { Type } from '../http/typebox-lite.ts'
import { idempotencyKey, idempotencyKeyForm } from '../management/conventions/idempotent-creation.ts'
import type { RouteContext } from '../management/conventions/routes.ts'
import { as } from '../management/conventions/schemas.ts'
import { clientProof } from '../protocol/shared/descriptions.ts'
import { askableResources } from './askable-resources.ts'
import { askingClient, type AskingClientOptions } from './asking-client.ts'
import { countedOnce } from './counted-once.ts'
import { questionsOf, requireScopes } from './question.ts'
import { longestBody, VerifyAnswer, VerifyRequest } from './verify-schema.ts'

/** The parts that decide and record, that tell which client asks, and that keep answers. */
export interface VerifyDependencies extends AdmissionDependencies, RecordDependencies {
  asking: AskingClientOptions
  registry: Registry
  kept: KeptAnswers
}

/** The path of the route, as an assertion of a client may name it. */
const path = '/api/v1/verify'

const IdempotencyKey = as(
  Type.String({
    ...idempotencyKeyForm,
    description: 'For the whole call: a repeated one gets the same answer for 10 minutes, and is counted once. A ' +
      'credential that was revoked meanwhile is refused.'
  }),
  '8e03978e-40d5-43e8-bc93-6894a57f9324'
)

export function verifyRoute (app: RouteContext, dependencies: VerifyDependencies): void {
  const { asking, registry, telemetry: { tracing } } = dependencies
  app.post('/verify', {
    bodyLimit: longestBody,
    config: {
      failures: [
        'unauthorized', 'insufficient_permissions', 'idempotency_in_progress', 'idempotency_key_reused',
        'too_many_requests'
      ]
    },
    // Before the schemas, whose messages would be `must match pattern` and `is missing`.
    preValidation: (request, _reply, done) => {
      idempotencyKey(request)
      requireScopes(request.body)
      done()
    },
    schema: {
      summary: 'Verify a credential, and count the call',
      description: 'Says what the guard of the resource would say, takes the limits and credits of the call, and has ' +
        'the refusal ready to send. One question, of `credential`, `resource` and `scopes` at least, or up to 100 as ' +
        '`items`. The client needs `introspects` for each resource. Sessions, tokens of webhooks and of the ' +
        'management API are not verified: they are unknown here.',
      operationId: 'verify',
      tags: ['decisions'],
      security: clientProof,
      headers: Type.Object({ 'idempotency-key': Type.Optional(IdempotencyKey) }),
      body: VerifyRequest,
      response: { 200: VerifyAnswer },
    },
  }, async (request, reply) => {
    const { body } = request
    const client = await askingClient(asking, request, path, body)
    const askable = askableResources(registry, client)
    const questions = questionsOf(askable instanceof Promise ? await askable : askable, body)
    const from = { dependencies, client, request }
    const decided = inSpan(tracing, 'verdict', () =>
      countedOnce(dependencies.kept, from, questions, idempotencyKey(request)))
    const verdicts = decided instanceof Promise ? await decided : decided
    // JSON already: the members of a verdict are not read again.
    const json = body.items === undefined ? verdicts[0]! : `{"items":[${verdicts.join(',')}]}`
    return await reply.header('content-type', 'application/json; charset=utf-8').header('cache-control', 'no-store')
      .send(json as never)
  })
}

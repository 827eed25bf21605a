/** Why a request was refused, and the last requests of an API key. docs/why-refused.md says what is kept. */
import type { FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import { Failure } from '../../base/errors.ts'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import { getApiKey } from '../../domain/credentials/api-key.ts'
import { keptOfCredential, type RequestLog } from '../../domain/metering/request-log.ts'
import { operationOf, type ManagementDependencies } from '../conventions/operation.ts'
import { resourcesById } from '../conventions/resource-names.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { IdParams } from '../conventions/schemas.ts'
import { explain, type Explaining } from '../explanation/explanation.ts'
import type { AskedFor } from '../explanation/verdict-now.ts'
import type { AskedSubject } from '../explanation/subject-form.ts'
import {
  ExplainBody, RequestId, resourceIdsIn, wireExplanation, WireExplanation, wireRequest, WireRequest
} from '../schemas/explain.ts'

/** The parts that explain, and what this server has still to write of the logs. */
export interface ExplainDependencies {
  explaining: Explaining
  requests: Pick<RequestLog, 'flush'>
  refusals: Pick<RefusalLog, 'flush'>
}

type Dependencies = ManagementDependencies & ExplainDependencies

const readAccess = { scopes: ['audit:read'] }

export const explainRoutes = routes<Dependencies>(
  explainRefusalRoute, explainRequestRoute, listRequestsOfKeyRoute
)

function explainRefusalRoute (app: RouteContext, dependencies: Dependencies): void {
  app.post('/explain', {
    config: { ...readAccess, appends: true, failures: ['not_found', 'unknown_scope'] },
    schema: {
      summary: 'Explain a refusal',
      description: 'By a credential, by a request id or by an address: exactly one of them. Says what the credential ' +
        'is, what the guard would say now, its last refusals with their precise reasons, and what to do. Takes no ' +
        'limit, no credit and no `lastUsedAt`: limits and credits are looked at alone. A credential of another ' +
        'organization is answered like one that does not exist.',
      operationId: 'explainRefusal',
      tags: ['audit'],
      body: ExplainBody,
      response: { 200: WireExplanation },
    },
  }, async request => {
    const { credential, requestId, address, ...asked } = request.body
    const subject = onlySubject({ credential, requestId, address })
    if (asked.route !== undefined && asked.scopes !== undefined) {
      throw new Failure('invalid_request', {
        message: 'Name route or scopes: a route needs its own scopes.', details: { field: 'scopes' }
      })
    }
    if (asked.route !== undefined && asked.credits !== undefined) {
      throw new Failure('invalid_request', {
        message: 'Name route or credits: a route has its own cost.', details: { field: 'credits' }
      })
    }
    return await answerTo(dependencies, request, subject, asked)
  })
}

/** The id of a request is no secret: a page may link to its explanation. */
function explainRequestRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/requests/:requestId/explanation', {
    config: { ...readAccess, failures: ['not_found', 'unknown_scope'] },
    schema: {
      summary: 'Explain a request by its id',
      description: 'As `POST /api/v1/explain` with a `requestId` alone; 404 for one that is not kept.',
      operationId: 'explainRequest',
      tags: ['audit'],
      params: Type.Object({ requestId: RequestId }),
      response: { 200: WireExplanation },
    },
  }, async request => {
    const explanation = await answerTo(dependencies, request, { requestId: request.params.requestId }, {})
    const { subject, request: kept, refusals, remedy } = explanation
    if (subject === null && kept === null && refusals.length === 0) {
      throw new Failure('not_found', remedy === null ? {} : { message: remedy })
    }
    return explanation
  })
}

async function answerTo (
  dependencies: Dependencies, request: FastifyRequest, subject: AskedSubject, asked: AskedFor
): Promise<Static<typeof WireExplanation>> {
  await Promise.all([dependencies.requests.flush(), dependencies.refusals.flush()])
  const operation = operationOf(dependencies, request)
  const explanation = await explain(dependencies.explaining, operation, subject, asked)
  return wireExplanation(explanation, await resourcesById(operation.store, resourceIdsIn(explanation)))
}

interface Named { credential?: string | undefined, requestId?: string | undefined, address?: string | undefined }

/** @throws Failure `invalid_request` unless there is exactly one. */
function onlySubject (named: Named): AskedSubject {
  const given = Object.entries(named).filter(([, value]) => value !== undefined)
  if (given.length === 1) return Object.fromEntries(given) as unknown as AskedSubject
  throw new Failure('invalid_request', {
    message: 'Name exactly one of credential, requestId and address.', details: { field: 'body' }
  })
}

function listRequestsOfKeyRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/api-keys/:id/requests', {
    config: readAccess,
    schema: {
      summary: 'List the last requests of a key',
      description: `The newest first: at most ${keptOfCredential} admitted ones, which are sampled, and ` +
        `${keptOfCredential} refused ones.`,
      operationId: 'listRequestsOfApiKey',
      tags: ['audit'],
      params: IdParams,
      response: { 200: Type.Object({ data: Type.Array(WireRequest) }) },
    },
  }, async request => {
    await dependencies.requests.flush()
    const operation = operationOf(dependencies, request)
    const { store, actor } = operation
    const { id } = await getApiKey(operation, request.params.id)
    const rows = await store.requestLog.of({ credentialId: id }, actor.organizationId, 2 * keptOfCredential)
    const resources = await resourcesById(store, rows.flatMap(({ resourceId }) => resourceId ?? []))
    return { data: rows.map(row => wireRequest(row, resources)) }
  })
}

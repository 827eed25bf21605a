/** The routes of gateways: spending is reserved, settled and released, and provider keys are leased. */
import type { Client } from '../../domain/credentials/client.ts'
import type { Operation } from '../../domain/core/operation.ts'
import { leaseProviderKey } from '../../domain/spending/provider-key.ts'
import { releaseReservation, settleReservation } from '../../domain/spending/settlement.ts'
import type { Repositories, Store } from '../../domain/store.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from '../../http/typebox-lite.ts'
import { routes, type RouteContext } from '../../management/conventions/routes.ts'
import { as, IdParams, Moment, nullable, OrganizationId, shownOnce } from '../../management/conventions/schemas.ts'
import { wirePrincipal } from '../../management/schemas/principal.ts'
import { WireReservation, wireReservation } from '../../management/schemas/reservation.ts'
import { clientProof } from '../../protocol/shared/descriptions.ts'
import type { VerifyDependencies } from '../verify.ts'
import { gatewayActor, requireGateway, type GatewayScope } from './gateway.ts'
import { reservedCall, type AskedCall, type ReservedCall } from './reserved-call.ts'
import { EndingBody, ReservationBody, ReservationParams, SettlementBody, WireNewReservation } from './schemas.ts'

export interface SpendDependencies extends VerifyDependencies {
  store: Store
  /** LATCHKEY_SECRET, newest first: opens provider keys. */
  secrets: readonly string[]
}

/** As an assertion of a client may name the routes. */
const endpoint = '/api/v1/spend/reservations'
const leasing = '/api/v1/provider-keys'

const proofFailures = ['unauthorized', 'insufficient_permissions', 'too_many_requests'] as const

export const spendRoutes = routes<SpendDependencies>(reserveRoute, settleRoute, releaseRoute, leaseRoute)

function reserveRoute (app: RouteContext, dependencies: SpendDependencies): void {
  const { store, telemetry: { metrics } } = dependencies
  app.post('/spend/reservations', {
    config: { failures: [...proofFailures, 'conflict'] },
    schema: {
      summary: 'Verify a credential, and reserve what its call may cost',
      description: 'Reserves against the budgets of the deployment, the account and the organization, or against ' +
        'none. A credential that is refused, and a call that is over budget, are answered with the refusal in the ' +
        'style of the resource, ready to be passed on, and the header X-Latchkey-Refusal with the reason. The client ' +
        'needs the scope spend:write of the management API, and `introspects` for the resource.',
      operationId: 'reserveSpending',
      tags: ['spend'],
      security: clientProof,
      body: ReservationBody,
      response: { 200: WireNewReservation, 201: WireNewReservation },
    },
  }, async (request, reply) => {
    const client = await gatewayOf(dependencies, request, endpoint, 'spend:write')
    const asked = withoutProof(request.body)
    const outcome = await reservedCall(dependencies, client, request, asked)
    reply.header('cache-control', 'no-store')
    if (!outcome.ok) {
      metrics.spending.increment('refused')
      return await sendRefusal(reply, outcome)
    }
    const { reservation, principal, isNew } = outcome
    metrics.spending.increment(isNew ? 'reserved' : 'repeated')
    const providerKey = await keyFor(store, reservation.organizationId, asked.provider)
    return await reply.code(isNew ? 201 : 200).send({
      ...wireReservation(reservation), principal: wirePrincipal(principal), ...providerKey
    })
  })
}

/** The refusal as it is passed on. What is for the gateway alone stands in headers. */
async function sendRefusal (
  reply: FastifyReply, { answer: { status, headers, body }, reason, shortage }: ReservedCall & { ok: false }
): Promise<never> {
  reply.code(status).headers({ ...headers, 'x-latchkey-refusal': reason })
  if (shortage !== null) {
    const { holder: { kind }, period, limit, left, resetsAt } = shortage
    reply.header('x-latchkey-budget', JSON.stringify({ of: kind, period, limit, left, resetsAt }))
  }
  return await reply.send(body) as never
}

function settleRoute (app: RouteContext, dependencies: SpendDependencies): void {
  app.post('/spend/reservations/:id/settle', {
    config: { failures: [...proofFailures, 'not_found', 'conflict'] },
    schema: {
      summary: 'Settle a reservation with what the call has cost',
      description: 'Counts in the day and month of the reservation, whatever its budgets are by now, and whether or ' +
        'not it was released or charged meanwhile. The same settlement again is answered with the first.',
      operationId: 'settleReservation',
      tags: ['spend'],
      security: clientProof,
      params: ReservationParams,
      body: SettlementBody,
      response: { 200: WireReservation },
    },
  }, async request => {
    const client = await gatewayOf(dependencies, request, endpoint, 'spend:write')
    const { amount, usage = { inputTokens: 0, outputTokens: 0 }, force = false } = request.body
    const settled = await settleReservation(
      operationOf(dependencies, client, request), client.id, request.params.id, { amount, force, ...usage }
    )
    dependencies.telemetry.metrics.spending.increment('settled')
    return wireReservation(settled)
  })
}

function releaseRoute (app: RouteContext, dependencies: SpendDependencies): void {
  app.post('/spend/reservations/:id/release', {
    config: { failures: [...proofFailures, 'not_found', 'conflict'] },
    schema: {
      summary: 'Release a reservation: the call cost nothing',
      description: 'One that was settled stays settled. A released one can still be settled.',
      operationId: 'releaseReservation',
      tags: ['spend'],
      security: clientProof,
      params: ReservationParams,
      body: EndingBody,
      response: { 200: WireReservation },
    },
  }, async request => {
    const client = await gatewayOf(dependencies, request, endpoint, 'spend:write')
    const released = await releaseReservation(dependencies, client.id, request.params.id)
    dependencies.telemetry.metrics.spending.increment('released')
    return wireReservation(released)
  })
}

function leaseRoute (app: RouteContext, dependencies: SpendDependencies): void {
  app.post('/provider-keys/:id/lease', {
    config: { failures: [...proofFailures, 'not_found', 'organization_not_active', 'not_ready'] },
    schema: {
      summary: 'Lease a provider key: its text, for a gateway',
      description: 'The one answer with the text. The client needs the scope provider-keys:lease of the management ' +
        'API. Each lease is in the audit log.',
      operationId: 'leaseProviderKey',
      tags: ['spend'],
      security: clientProof,
      params: IdParams,
      body: EndingBody,
      response: { 200: WireLease },
    },
  }, async (request, reply) => {
    const client = await gatewayOf(dependencies, request, leasing, 'provider-keys:lease')
    const { secrets } = dependencies
    const { key, text, expiresAt } =
      await leaseProviderKey(operationOf(dependencies, client, request), secrets, request.params.id)
    const { id, organizationId, provider, fingerprint } = key
    reply.header('cache-control', 'no-store')
    return { id, organization: organizationId, provider, fingerprint, key: text, expiresAt }
  })
}

const WireLease = Type.Object({
  id: as(Type.String(), 'pvk_8nLd4wEfG5yKtQ0rXc2sVb'),
  organization: nullable(OrganizationId),
  provider: as(Type.String(), 'openai'),
  fingerprint: as(Type.String(), '9f86d081884c7d65'),
  key: shownOnce('sk-…'),
  expiresAt: Type.With(Moment, { description: 'Until then the gateway may use the text without another lease.' }),
}, { title: 'ProviderKeyLease' })

async function gatewayOf (
  { asking, registry }: SpendDependencies, request: FastifyRequest, path: string, scope: GatewayScope
): Promise<Client> {
  return await requireGateway(asking, registry, request, path, scope)
}

function operationOf (
  { store, clock }: SpendDependencies, client: Client, request: FastifyRequest
): Operation<Repositories> {
  return { store, clock, actor: gatewayActor(client, request) }
}

/** The members of a body that are about the call. */
function withoutProof (body: AskedCall): AskedCall {
  const proof = new Set(['client_id', 'client_secret', 'client_assertion', 'client_assertion_type'])
  return Object.fromEntries(Object.entries(body).filter(([name]) => !proof.has(name))) as unknown as AskedCall
}

/** The key of the organization, or else the deployment's. Nothing is said where no provider was named. */
async function keyFor (store: Store, organizationId: string, provider: string | undefined) {
  if (provider === undefined) return {}
  const key = await store.providerKeys.of(organizationId, provider) ?? await store.providerKeys.of(null, provider)
  return { providerKey: key && { id: key.id, fingerprint: key.fingerprint } }
}

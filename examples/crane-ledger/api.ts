/** Crane Ledger, a small protected API: organizations in the path, reports for credits, TLS required. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { styles, type Latchkey } from '../../src/index.ts'
import { declare } from '../declare.ts'
import { closeAccount, drawUpBalance, enter, openAccount, type Books } from './books.ts'

/** Where the routes are mounted. */
export const craneLedgerPath = '/crane-ledger'

const scopes = ['accounts', 'transactions', 'reports'].flatMap(
  type => [`${type}:read`, `${type}:write`, `${type}:delete`]
)

/** What a report costs, in credits. */
const reportCost = 5

export async function declareCraneLedger (latchkey: Latchkey): Promise<void> {
  await declare(latchkey, {
    identifier: identifierOf(latchkey), name: 'Crane Ledger', scopes, style: styles['crane-ledger']
  })
}

/**
 * The routes. The guard has checked scope, organization and credits before a handler runs. Mount them at
 * `craneLedgerPath`.
 */
export function craneLedger (latchkey: Latchkey, books: Books): FastifyPluginAsyncTypebox {
  const ledgerOf = ({ organizationId, principal }: FastifyRequest) => books.of(organizationId, principal.environment)
  return async app => {
    await app.register(latchkey.guard, { resource: identifierOf(latchkey) })
    app.setErrorHandler(presentError)
    app.setNotFoundHandler((_request, reply) => sendError(reply, 404, 'There is no such route.'))
    // A failed report is refunded.
    app.addHook('onError', async ({ spending }) => {
      if (spending !== null) await latchkey.meter.refund(spending, 'no report')
    })

    app.get('/organizations', { config: { scopes: [] } }, async ({ principal }) => {
      const organizations = await Promise.all(principal.organizations.map(id => latchkey.registry.organization(id)))
      return {
        data: organizations.flatMap(found =>
          found === null ? [] : [{ id: found.id, name: found.name, status: found.status }]
        )
      }
    })

    const organization = 'organization_id'

    app.get(
      '/organizations/:organization_id/accounts', { config: { organization, scopes: ['accounts:read'] } },
      async request => ({ data: ledgerOf(request).accounts })
    )

    const Account = Type.Object({
      name: Type.String({ minLength: 1, maxLength: 200 }), currency: Type.String({ pattern: '^[A-Z]{3}$' })
    }, { additionalProperties: false })
    app.post('/organizations/:organization_id/accounts', {
      config: { organization, scopes: ['accounts:write'] }, schema: { body: Account }
    }, async (request, reply) => await reply.code(201).send(openAccount(ledgerOf(request), request.body)))

    const AccountParams = Type.Object({ organization_id: Type.String(), account_id: Type.String() })
    app.delete('/organizations/:organization_id/accounts/:account_id', {
      config: { organization, scopes: ['accounts:delete'] }, schema: { params: AccountParams }
    }, async (request, reply) => {
      if (!closeAccount(ledgerOf(request), request.params.account_id)) {
        return sendError(reply, 404, 'There is no such account.')
      }
      return await reply.code(204).send()
    })

    app.get(
      '/organizations/:organization_id/transactions', { config: { organization, scopes: ['transactions:read'] } },
      async request => ({ data: ledgerOf(request).transactions })
    )

    const Transaction = Type.Object({
      account: Type.String(), cents: Type.Integer(), description: Type.String({ maxLength: 200 })
    }, { additionalProperties: false })
    app.post('/organizations/:organization_id/transactions', {
      config: { organization, scopes: ['transactions:write'] }, schema: { body: Transaction }
    }, async (request, reply) => {
      const transaction = enter(ledgerOf(request), request.body)
      if (transaction === null) return sendError(reply, 404, 'There is no such account.')
      return await reply.code(201).send(transaction)
    })

    app.get(
      '/organizations/:organization_id/reports', { config: { organization, scopes: ['reports:read'] } },
      async request => ({ data: ledgerOf(request).reports })
    )

    const Order = Type.Object({ kind: Type.Literal('balance') }, { additionalProperties: false })
    app.post('/organizations/:organization_id/reports', {
      config: { organization, scopes: ['reports:write'], credits: reportCost }, schema: { body: Order }
    }, async (request, reply) => {
      const report = drawUpBalance(ledgerOf(request), request.principal.environment)
      return await reply.code(201).send({ ...report, creditsSpent: reportCost })
    })
  }
}

function identifierOf ({ config }: Latchkey): string {
  return `${config.issuer}${craneLedgerPath}`
}

/** Crane Ledger's own errors look like the guard's. */
function presentError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error.statusCode !== undefined && error.statusCode < 500) return sendError(reply, error.statusCode, error.message)
  request.log.error({ err: error }, 'Crane Ledger failed')
  return sendError(reply, 500, 'Crane Ledger failed to answer.')
}

const kinds: Readonly<Record<number, [type: string, code: string]>> = {
  404: ['not_found_error', 'not_found'], 500: ['api_error', 'internal']
}

function sendError (reply: FastifyReply, status: number, message: string): FastifyReply {
  const [type, code] = kinds[status] ?? ['invalid_request_error', 'invalid_request']
  return reply.code(status).send({ error: { type, code, message, status } })
}

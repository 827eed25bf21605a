/** LedgerBee, a small protected API: its scopes, and its routes behind the guard. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { updateResource, styles, type Latchkey } from '../../src/index.ts'
import { newCustomer, newInvoice, type Books } from './books.ts'

const scopes = [
  { name: 'company:read', keyOnly: false, description: 'Read the company' },
  { name: 'invoices:read', keyOnly: false, description: 'Read invoices' },
  { name: 'invoices:write', keyOnly: false, description: 'Write invoices' },
  // API-key only: cannot be granted to an OAuth client.
  { name: 'portal-provision', keyOnly: true, description: 'Set up customers' }
]

/** Declares LedgerBee's resource. It shares its origin with Latchkey, so the origin is its identifier. */
export async function declareLedgerbee ({ operation, config }: Latchkey): Promise<void> {
  await updateResource(operation, config.issuer, { name: 'LedgerBee', scopes, style: styles.ledgerbee })
}

/** The routes. Each declares its scopes; the guard checks them before a handler runs. */
export function ledgerbee ({ guard, config }: Latchkey, books: Books): FastifyPluginAsyncTypebox {
  return async app => {
    await app.register(guard, { resource: config.issuer })
    app.setErrorHandler(presentError)

    app.get('/api/v1/company', { config: { scopes: ['company:read'] } }, async ({ principal }) => {
      const { currency, invoices } = ledgerOf(books, principal)
      return {
        organization: principal.organizationId, environment: principal.environment, currency, invoices: invoices.length
      }
    })

    app.get(
      '/api/v1/invoices', { config: { scopes: ['invoices:read'] } },
      async ({ principal }) => ({ data: ledgerOf(books, principal).invoices })
    )

    const Invoice = Type.Object({
      customer: Type.String({ minLength: 1, maxLength: 200 }), cents: Type.Integer({ minimum: 1 })
    }, { additionalProperties: false })
    app.post(
      '/api/v1/invoices',
      { config: { scopes: ['invoices:write'] }, schema: { body: Invoice } },
      async ({ principal, body }, reply) => {
        const invoice = newInvoice(body.customer, body.cents)
        ledgerOf(books, principal).invoices.push(invoice)
        return await reply.code(201).send(invoice)
      }
    )

    const Customer = Type.Object({ name: Type.String({ minLength: 1, maxLength: 200 }) }, {
      additionalProperties: false
    })
    app.post('/api/v1/customers', {
      config: { scopes: ['portal-provision'], apiKeyOnly: true }, schema: { body: Customer }
    }, async ({ principal, body }, reply) => {
      const customer = newCustomer(body.name)
      ledgerOf(books, principal).customers.push(customer)
      return await reply.code(201).send(customer)
    })
  }
}

function ledgerOf (books: Books, { organizationId, environment }: FastifyRequest['principal']) {
  return books.of(organizationId, environment)
}

/** LedgerBee's own errors look like the guard's. */
function presentError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const statusCode = error.statusCode !== undefined && error.statusCode < 500 ? error.statusCode : 500
  if (statusCode === 500) request.log.error({ err: error }, 'LedgerBee failed')
  return reply.code(statusCode).send({
    statusCode,
    timestamp: new Date().toISOString(),
    path: request.url.split('?', 1)[0],
    message: statusCode === 500 ? 'LedgerBee failed to answer.' : error.message,
    code: statusCode === 500 ? 'INTERNAL' : 'INVALID_REQUEST',
    details: {}
  })
}

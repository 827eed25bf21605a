/** Refusals of an operation, derived from its route, the guard's reasons and the table of failures. */
import type { FastifyContextConfig } from 'fastify'
import type { Reason } from '../../domain/access/principal.ts'
import { managementStyle } from '../../domain/resources/style.ts'
import { failures, type FailureCode } from '../../base/errors.ts'
import { publicRefusal, type PublicRefusal } from '../../guard/index.ts'
import type { Schema } from './examples.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Failures of the route besides those of every route of its kind. For the document. */
    failures?: readonly FailureCode[]
  }
}

/** Properties of a route that decide its refusals. */
export interface Taken { config: FastifyContextConfig, mayHaveBody: boolean, hasParams: boolean, overTls: boolean }

export interface Envelope {
  schema: Schema
  wrap (refusal: PublicRefusal): unknown
}

const text: Schema = { type: 'string' }

/** The bodies of refusals on Latchkey's own routes, by the style of their guard. */
export const envelopes = {
  opencrane: {
    schema: {
      title: 'Error',
      type: 'object',
      required: ['error', 'code'],
      properties: {
        error: { ...text, description: 'For people.' },
        code: { ...text, description: 'For programs; listed in docs/errors.md.' },
        details: {
          type: 'object',
          description: 'Depends on the code: field, reason, missing scopes, request id.'
        }
      }
    },
    wrap: ({ message, code, details }) => ({
      error: message, code, ...(Object.keys(details).length > 0 ? { details } : {})
    })
  },
  ledgerbee: {
    schema: {
      title: 'LedgerBeeError',
      type: 'object',
      required: ['statusCode', 'timestamp', 'path', 'message', 'code', 'details'],
      properties: {
        statusCode: { type: 'integer' },
        timestamp: { ...text, format: 'date-time' },
        path: text,
        message: text,
        code: text,
        details: { type: 'object' }
      }
    },
    wrap: ({ status, message, code, details }) => ({
      statusCode: status, timestamp: '2026-11-22T19:48:29.000Z', path: '/api/v1/principal', message, code, details
    })
  }
} as const satisfies Record<string, Envelope>

/** Every refusal that a route can answer with, by status. */
export function refusalsOf (taken: Taken): Map<number, PublicRefusal[]> {
  const byStatus = new Map<number, PublicRefusal[]>()
  for (const refusal of [...ofGuard(taken), ...ofRoute(taken)]) {
    const known = byStatus.get(refusal.status) ?? []
    if (!known.some(({ code }) => code === refusal.code)) byStatus.set(refusal.status, [...known, refusal])
  }
  return byStatus
}

function ofGuard ({ config, overTls }: Taken): PublicRefusal[] {
  if (config.scopes === undefined) return []
  const reasons: [Reason, unknown][] = [
    ['several_credentials', true],
    ['no_credential', true],
    ['insufficient_scope', config.scopes.length > 0],
    ['api_key_required', config.apiKeyOnly],
    ['person_required', config.person],
    ['organization_suspended', true],
    ['tls_required', overTls],
    ['organization_not_found', config.organization],
    ['feature_missing', config.feature],
    ['object_not_allowed', config.object],
    ['rate_limited', true],
    ['quota_exceeded', true],
    ['insufficient_credits', config.credits],
  ]
  return reasons.filter(([, applies]) => applies !== undefined && applies !== false).map(
    ([reason]) => publicRefusal(reason, managementStyle.transports, config.scopes)
  )
}

function ofRoute ({ config, mayHaveBody, hasParams, overTls }: Taken): PublicRefusal[] {
  const codes: FailureCode[] = [
    'invalid_request',
    ...(hasParams && config.scopes !== undefined ? ['not_found'] as const : []),
    ...(mayHaveBody ? ['payload_too_large', 'unsupported_media_type', 'audit_chain_broken'] as const : []),
    ...(overTls ? ['tls_required'] as const : []),
    ...config.failures ?? [],
    'internal', 'storage_unavailable', ...(mayHaveBody ? ['storage_full'] as const : []),
  ]
  return codes.map(code => ({
    ...failures[code], code: code.toUpperCase(), details: code === 'internal' ? { requestId: '6f1c…' } : {}
  }))
}

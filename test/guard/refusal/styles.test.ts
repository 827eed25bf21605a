/** The words of every style: the code of each reason where a style has codes of its own, and the failures. */
import tap from 'tap'
import { Failure } from '../../../src/base/errors.ts'
import type { Reason, Refusal } from '../../../src/domain/access/principal.ts'
import { errorStyleNames } from '../../../src/domain/resources/style.ts'
import { errorStyles, type Occasion } from '../../../src/guard/refusal/styles.ts'
import { statuses } from '../../../src/guard/refusal/public-refusal.ts'

const occasion: Occasion = {
  path: '/invoices', now: new Date('2027-01-31T12:00:00Z'), requestId: 'req-1', transports: [{ in: 'bearer' }]
}

/** By reason: the codes of Crane Ledger and of CraftKit. */
const codes: Readonly<Record<Reason, readonly [string, string]>> = {
  no_credential: ['invalid_api_key', 'missing_authorization'],
  several_credentials: ['several_credentials', 'several_credentials'],
  credential_in_query: ['invalid_api_key', 'invalid_credentials'],
  key_as_bearer: ['invalid_api_key', 'invalid_credentials'],
  malformed: ['invalid_api_key', 'invalid_credentials'],
  unknown: ['invalid_api_key', 'invalid_credentials'],
  foreign_deployment: ['invalid_api_key', 'invalid_credentials'],
  wrong_resource: ['invalid_api_key', 'invalid_credentials'],
  revoked: ['invalid_api_key', 'invalid_credentials'],
  expired: ['expired_api_key', 'invalid_credentials'],
  rotated: ['expired_api_key', 'invalid_credentials'],
  disabled: ['invalid_api_key', 'invalid_credentials'],
  superseded: ['invalid_api_key', 'invalid_credentials'],
  organization_suspended: ['organization_suspended', 'partner_suspended'],
  address_not_allowed: ['ip_not_allowed', 'invalid_credentials'],
  wrong_environment: ['invalid_api_key', 'invalid_credentials'],
  organization_not_found: ['organization_not_found', 'not_found'],
  feature_missing: ['feature_missing', 'invalid_credentials'],
  insufficient_scope: ['insufficient_permissions', 'forbidden'],
  policy_denied: ['insufficient_permissions', 'forbidden'],
  object_not_allowed: ['insufficient_permissions', 'forbidden'],
  api_key_required: ['insufficient_permissions', 'forbidden'],
  session_required: ['insufficient_permissions', 'forbidden'],
  person_required: ['insufficient_permissions', 'forbidden'],
  reauthentication_required: ['invalid_api_key', 'invalid_credentials'],
  cross_site_request: ['insufficient_permissions', 'forbidden'],
  rate_limited: ['rate_limited', 'rate_limited'],
  quota_exceeded: ['quota_exceeded', 'rate_limited'],
  insufficient_credits: ['insufficient_credits', 'insufficient_credits'],
  insufficient_budget: ['insufficient_budget', 'insufficient_budget'],
  tls_required: ['https_required', 'tls_required'],
}

/** Where a style has a status of its own. */
const ownStatuses: Readonly<Record<string, number>> = {
  'craftkit feature_missing': 401, 'crane-ledger insufficient_budget': 402
}

tap.test('CL-12, CK-05 to CK-07, CK-14: each reason has its code, and its status', async t => {
  for (const [reason, expected] of Object.entries(codes) as [Reason, readonly string[]][]) {
    const refusal: Refusal = {
      reason, presented: 'api_key', subject: null, organizationId: null, requiredScopes: ['a']
    }
    for (const [i, style] of (['crane-ledger', 'craftkit'] as const).entries()) {
      const { status, body } = errorStyles[style].refusal(refusal, occasion)
      t.equal((body.error as { code: string }).code, expected[i], `${style}: ${reason}`)
      const own = ownStatuses[`${style} ${reason}`] ?? statuses[reason]
      t.equal(status, own, `${style}: ${reason}`)
    }
  }
})

tap.test('a failure of the server says nothing of the caller, in every style', async t => {
  const [message, code] = ['The server is overloaded; retry shortly.', 'OVERLOADED']
  const bodies: Readonly<Record<string, object>> = {
    ledgerbee: {
      statusCode: 503,
      timestamp: '2027-01-31T12:00:00.000Z',
      path: '/invoices',
      message,
      code,
      details: { requestId: 'req-1' }
    },
    'crane-ledger': { error: { type: 'api_error', code: 'overloaded', message, status: 503 } },
    craftkit: { error: { code: 'overloaded', message } },
    craftdesk: { message: 'Service Unavailable', code: 503, errors: { server: [message, 'Request req-1'] } },
    opencrane: { error: message, code, details: { requestId: 'req-1' } },
    rfc9457: { type: 'about:blank', title: message, status: 503, instance: '/invoices', code, requestId: 'req-1' },
  }
  for (const style of errorStyleNames) {
    const { status, body } = errorStyles[style].failure(new Failure('overloaded'), occasion)
    t.strictSame([status, body], [503, bodies[style]], style)
  }
})

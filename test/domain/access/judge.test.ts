/** The judge by itself: facts and a request in, a verdict out, with neither a server nor a registry. */
import tap from 'tap'
import { notFound, type CredentialFacts, type PlaceFacts } from '../../../src/domain/access/facts.ts'
import { judgeCredential } from '../../../src/domain/access/judge-credential.ts'
import { judge, type JudgedRequest } from '../../../src/domain/access/judge.ts'
import type { Reason } from '../../../src/domain/access/principal.ts'
import { statuses } from '../../../src/guard/refusal/public-refusal.ts'
import {
  client, denying, earlier, key, keyFacts, managementFacts, now, organization, principalOf, publishableKey,
  requestFor, resource, sessionFacts, tokenFacts, webhookFacts
} from '../../support/facts.ts'

const suspended = { ...organization, status: 'suspended' as const }
const deleted = { ...organization, status: 'deleted' as const }
const elsewhere = { ...resource, id: 'res_other', identifier: 'https://other.example.test' }
const ended = { ...resource, revokedAt: earlier }
const disabledVoucher = {
  revokedAt: null, disabledAt: earlier, expiresAt: null, organization, ofDeployment: false, digests: []
}
const seconds = (date: Date) => date.getTime() / 1000

function reasonOf (
  facts: CredentialFacts, request: Partial<JudgedRequest> = {}, place: PlaceFacts | null = null
): Reason | 'passes' {
  const verdict = judge(facts, place, requestFor(request))
  return verdict.ok ? 'passes' : verdict.refusal.reason
}

function requiring (more: Partial<JudgedRequest['requirements']>): Partial<JudgedRequest> {
  return { requirements: { ...requestFor().requirements, ...more } }
}

/** Reasons for which nothing was found that could be judged, and those of the limits, which are taken afterwards. */
type Judged = Exclude<Reason,
  'no_credential' | 'several_credentials' | 'credential_in_query' | 'key_as_bearer' | 'unknown' |
  'foreign_deployment' | 'cross_site_request' | 'reauthentication_required' | 'tls_required' | 'rate_limited' |
  'quota_exceeded' | 'insufficient_credits'>

const other = { organization: { ...organization, id: 'org_other' }, policies: [] }
const atOther = { organizationId: 'org_other' }

/** Every reason that the judge finds, each by every kind of credential and in every way. */
const judged: Record<Judged, Record<string, () => Reason | 'passes'>> = {
  malformed: {
    'a token from the future': () => reasonOf(tokenFacts({ iat: seconds(now) + 16 })),
    'a session from the future': () => reasonOf(sessionFacts({ iat: seconds(now) + 16 })),
  },
  wrong_resource: {
    'a key of another resource': () => reasonOf(keyFacts(), { resource: elsewhere }),
    'a key whose resource ended': () => reasonOf(keyFacts({}, { resource: ended })),
    'a key whose resource is missing': () => reasonOf(keyFacts({}, { resource: null })),
    'a token for another audience': () => reasonOf(tokenFacts(), { resource: elsewhere }),
    'a token whose resource ended': () => reasonOf(tokenFacts({}, { resource: ended })),
    'a token whose resource is missing': () => reasonOf(tokenFacts({}, { resource: null })),
    'a management token elsewhere': () => reasonOf(managementFacts(), { resource: elsewhere }),
    'a session for another audience': () => reasonOf(sessionFacts(), { resource: elsewhere }),
    'a session whose resource was renamed': () => reasonOf(sessionFacts({}, { resource: elsewhere })),
    'a webhook of another resource': () => reasonOf(webhookFacts(), { resource: elsewhere }),
  },
  revoked: {
    'a key': () => reasonOf(keyFacts({ revokedAt: earlier })),
    'a key of a deleted organization': () => reasonOf(keyFacts({}, { organization: deleted })),
    'a token, or the key that signed it': () => reasonOf(tokenFacts({}, { isRevoked: true })),
    'a token of a revoked client': () => reasonOf(tokenFacts({}, { client: { ...client, revokedAt: earlier } })),
    'a token of a missing client': () => reasonOf(tokenFacts({}, { client: null })),
    'a management token': () => reasonOf(managementFacts({ revokedAt: earlier })),
    'a session whose signing key was revoked': () => reasonOf(sessionFacts({}, { isRevoked: true })),
    'a session of a missing key': () => reasonOf(sessionFacts({}, { key: null })),
    'a session of a revoked key': () => reasonOf(sessionFacts({}, { key: { ...publishableKey, revokedAt: earlier } })),
    'a webhook': () => reasonOf(webhookFacts({ revokedAt: earlier })),
    'a webhook of a missing key': () => reasonOf(webhookFacts({}, { keyFacts: null })),
    'a webhook of a revoked key': () => reasonOf(webhookFacts({}, { keyFacts: keyFacts({ revokedAt: earlier }) })),
  },
  expired: {
    'a key, at its very end': () => reasonOf(keyFacts({ expiresAt: now })),
    'a token, in the second of its exp': () => reasonOf(tokenFacts({ exp: seconds(now) })),
    'a management token': () => reasonOf(managementFacts({ expiresAt: now })),
    'a session': () => reasonOf(sessionFacts({ exp: seconds(now) })),
  },
  rotated: { 'a key after its overlap': () => reasonOf(keyFacts({ expiresAt: now, rotatedTo: 'key_b' })) },
  disabled: {
    'a key': () => reasonOf(keyFacts({ disabledAt: earlier })),
    'a key whose voucher is disabled': () => reasonOf(keyFacts({ vouchedBy: 'key_b' }, { voucher: disabledVoucher })),
    'a token of a disabled client, whatever its generation': () =>
      reasonOf(tokenFacts({ gen: 0 }, { client: { ...client, disabledAt: earlier } })),
    'a webhook of a disabled key': () => reasonOf(webhookFacts({}, { keyFacts: keyFacts({ disabledAt: earlier }) })),
  },
  superseded: { 'a token of an older generation': () => reasonOf(tokenFacts({ gen: 0 })) },
  organization_suspended: {
    'a key': () => reasonOf(keyFacts({}, { organization: suspended })),
    'a token': () => reasonOf(tokenFacts({}, { organization: suspended })),
    'a management token': () => reasonOf(managementFacts({}, { organization: suspended })),
    'a session': () => reasonOf(sessionFacts({}, { organization: suspended })),
    'the organization that the path names': () =>
      reasonOf(keyFacts(), atOther, { ...other, organization: { ...suspended, id: 'org_other' } }),
  },
  address_not_allowed: {
    'a key': () => reasonOf(keyFacts({ allowlist: ['198.51.100.0/24'] })),
    'a key, from nowhere': () => reasonOf(keyFacts({ allowlist: ['0.0.0.0/0'] }), { address: null }),
    'a token': () => reasonOf(tokenFacts({}, { client: { ...client, allowlist: ['198.51.100.7'] } })),
    'a management token': () => reasonOf(managementFacts({ allowlist: ['198.51.100.7'] })),
  },
  wrong_environment: { 'a live key': () => reasonOf(keyFacts(), { environment: 'test' }) },
  organization_not_found: {
    'one that the credential does not reach': () => reasonOf(keyFacts(), { organizationId: 'org_foreign' }),
    'one that is missing': () => reasonOf(keyFacts(), atOther, { organization: null, policies: [] }),
    'one that was deleted': () => reasonOf(keyFacts(), atOther, { ...other, organization: deleted }),
    'the plan of no organization': () => reasonOf(
      tokenFacts({}, {
        client: { ...client, organizationId: null },
        organization: null,
        principal: principalOf({ organizationId: null })
      }), requiring({ feature: 'reports' })
    ),
  },
  feature_missing: {
    'the route': () => reasonOf(keyFacts(), requiring({ feature: 'exports' })),
    'the route, elsewhere': () => reasonOf(keyFacts(), { ...atOther, ...requiring({ feature: 'exports' }) }, other),
    'keys with custom access': () => reasonOf(keyFacts({}, { organization: { ...organization, features: [] } })),
    sessions: () => reasonOf(sessionFacts({}, {
      resource: { ...resource, style: { ...resource.style, sessionFeature: 'sessions' } }
    })),
  },
  api_key_required: {
    'a token': () => reasonOf(tokenFacts(), requiring({ apiKeyOnly: true })),
    'the admin token': () => reasonOf({
      kind: 'admin_token',
      organization: null,
      policies: [],
      principal: principalOf({ kind: 'admin_token', id: 'admin' })
    }, requiring({ apiKeyOnly: true })),
  },
  session_required: {
    'a key': () => reasonOf(keyFacts(), requiring({ session: true })),
    'a token': () => reasonOf(tokenFacts(), requiring({ session: true })),
  },
  person_required: {
    'a key': () => reasonOf(keyFacts(), requiring({ person: true })),
    'a token': () => reasonOf(tokenFacts(), requiring({ person: true })),
    'the admin token': () => reasonOf({
      kind: 'admin_token',
      organization: null,
      policies: [],
      principal: principalOf({ kind: 'admin_token', id: 'admin' })
    }, requiring({ person: true })),
  },
  insufficient_scope: { 'a scope more': () => reasonOf(keyFacts(), requiring({ scopes: ['read', 'write'] })) },
  policy_denied: {
    'of its kind': () => reasonOf(keyFacts({}, { policies: [denying({ kinds: ['api_key'] })] })),
    'of a scope that is required': () =>
      reasonOf(keyFacts({}, { policies: [denying({ scopes: ['read'] })] }), requiring({ scopes: ['read'] })),
    'of a webhook, which is a kind of its own': () =>
      reasonOf(webhookFacts({}, { policies: [denying({ kinds: ['webhook_token'] })] })),
    'of the organization that the path names': () =>
      reasonOf(keyFacts(), atOther, { ...other, policies: [denying({ addresses: ['192.0.2.0/24'] })] }),
    'from an address that cannot be told': () =>
      reasonOf(keyFacts({}, { policies: [denying({ addresses: ['198.51.100.7'] })] }), { address: null }),
  },
  object_not_allowed: {
    'another than its own': () => reasonOf(keyFacts({ objects: { templates: ['tpl_1'] } }), {
      ...requiring({ object: { type: 'templates' } }), objectId: 'tpl_2'
    }),
    'a webhook of another type': () => reasonOf(webhookFacts(), { webhookType: 'reports' }),
    'a webhook whose key may not touch it': () =>
      reasonOf(webhookFacts({}, { keyFacts: keyFacts({ objects: { templates: [] } }) })),
  },
}

for (const [reason, ways] of Object.entries(judged)) {
  tap.test(`the judge finds ${reason}`, async t => {
    for (const [way, judgement] of Object.entries(ways)) t.equal(judgement(), reason, way)
  })
}

tap.test('a good credential of each kind passes, with the principal that was gathered', async t => {
  const all = [keyFacts(), tokenFacts(), managementFacts(), sessionFacts(), webhookFacts()]
  for (const facts of all) {
    t.strictSame(judge(facts, null, requestFor()), { ok: true, principal: facts.principal }, facts.kind)
  }
  const hook = webhookFacts({}, { keyFacts: keyFacts({ allowlist: ['198.51.100.7'] }) })
  t.equal(reasonOf(hook), 'passes', 'webhooks come from anywhere')
  t.equal(reasonOf(keyFacts({ allowlist: ['198.51.100.7'] }), { leavesAllowlist: true }), 'passes', 'left to another')
})

tap.test('a reason for which nothing was found is the verdict, whatever the route requires', async t => {
  const reasons = [
    'no_credential', 'several_credentials', 'credential_in_query', 'key_as_bearer', 'malformed', 'unknown',
    'foreign_deployment', 'tls_required'
  ] as const
  for (const reason of reasons) {
    t.equal(reasonOf(notFound(reason, null), { ...requiring({ scopes: ['write'] }), environment: 'test' }), reason)
  }
})

tap.test('CL-05, CK-13: of several reasons the first in the order of the checks is told, 404 before 403', async t => {
  const scopes = ['read', 'write']
  let facts = keyFacts(
    {
      revokedAt: earlier,
      disabledAt: earlier,
      expiresAt: now,
      rotatedTo: 'key_b',
      allowlist: ['198.51.100.7'],
      environment: 'test',
      objects: { templates: ['tpl_1'] }
    },
    {
      resource: ended,
      organization: { ...suspended, features: [] },
      policies: [denying({ kinds: ['api_key'] })]
    }
  )
  let place: PlaceFacts | null = { organization: { ...deleted, features: [] }, policies: [denying({})] }
  let request = requestFor({
    requirements: {
      scopes, apiKeyOnly: true, credits: 0, session: true, feature: 'reports', object: { type: 'templates' }
    },
    environment: 'live',
    organizationId: 'org_foreign',
    objectId: 'tpl_2',
    resource
  })
  const mended = (changes: Partial<typeof key>) => {
    const principal = { ...facts.principal!, ...('environment' in changes ? { environment: 'live' as const } : {}) }
    facts = { ...facts, key: { ...facts.key, ...changes }, principal }
  }
  const required = (changes: Partial<JudgedRequest['requirements']>) => {
    request = { ...request, requirements: { ...request.requirements, ...changes } }
  }
  /** Each reason with its status, and the change that lifts it: the next one shows. */
  const ladder: readonly [Reason, number, () => void][] = [
    ['wrong_resource', 401, () => { facts = { ...facts, resource } }],
    ['revoked', 401, () => { mended({ revokedAt: null }) }],
    ['rotated', 401, () => { mended({ expiresAt: null }) }],
    ['disabled', 401, () => { mended({ disabledAt: null }) }],
    ['organization_suspended', 403, () => { facts = { ...facts, organization: { ...organization, features: [] } } }],
    ['feature_missing', 403, () => { facts = { ...facts, organization } }],
    ['address_not_allowed', 401, () => { mended({ allowlist: [] }) }],
    ['wrong_environment', 401, () => { mended({ environment: 'live' }) }],
    ['organization_not_found', 404, () => { request = { ...request, organizationId: 'org_other' } }],
    ['organization_not_found', 404, () => { place = { ...place!, organization: { ...suspended, features: [] } } }],
    ['organization_suspended', 403, () => { place = { ...place!, organization: { ...organization, features: [] } } }],
    ['feature_missing', 403, () => { place = { ...place!, organization } }],
    ['session_required', 403, () => { required({ session: false }) }],
    ['insufficient_scope', 403, () => { required({ scopes: ['read'] }) }],
    ['policy_denied', 403, () => { place = { ...place!, policies: [] } }],
    ['object_not_allowed', 403, () => { request = { ...request, objectId: 'tpl_1' } }],
  ]
  for (const [reason, status, lift] of ladder) {
    const verdict = judge(facts, place, request)
    t.equal(verdict.ok || verdict.refusal.reason, reason)
    t.equal(statuses[reason], status, reason)
    lift()
  }
  t.equal(judge(facts, place, request).ok, true, 'nothing is left')
})

tap.test('a refusal names the credential as far as it is known, and more only to the log', async t => {
  const refusalOf = (facts: CredentialFacts, request: Partial<JudgedRequest> = {}) => {
    const verdict = judge(facts, null, requestFor(request))
    return verdict.ok ? null : verdict.refusal
  }
  const { id: organizationId } = organization
  t.strictSame(refusalOf(keyFacts({ revokedAt: earlier })), {
    reason: 'revoked', presented: 'api_key', subject: key.id, organizationId
  })
  t.strictSame(refusalOf(tokenFacts({ iat: seconds(now) + 16 })), {
    reason: 'malformed', presented: 'access_token', subject: null, organizationId: null
  })
  t.strictSame(refusalOf(tokenFacts(), requiring({ scopes: ['write'] })), {
    reason: 'insufficient_scope',
    presented: 'access_token',
    subject: client.id,
    organizationId,
    requiredScopes: ['write']
  })
  t.strictSame(refusalOf(keyFacts({}, { policies: [denying({}, 'pol_b')] })), {
    reason: 'policy_denied', presented: 'api_key', subject: key.id, organizationId, policy: 'pol_b'
  })
  t.strictSame(refusalOf(webhookFacts({ revokedAt: earlier })), {
    reason: 'revoked', presented: 'api_key', subject: 'wht_a', organizationId
  })
  t.strictSame(refusalOf(webhookFacts({}, { keyFacts: keyFacts({ expiresAt: now }) })), {
    reason: 'expired', presented: 'api_key', subject: key.id, organizationId
  })
})

tap.test('policies narrow the principal that passes, and leave the one that was gathered as it is', async t => {
  const facts = keyFacts({}, { policies: [denying({ scopes: ['read'] })] })
  const verdict = judge(facts, null, requestFor())
  t.ok(verdict.ok)
  t.strictSame(verdict.ok && verdict.principal, { ...facts.principal, scopes: [] })
  t.strictSame(facts.principal?.scopes, ['read'])
})

tap.test('incomplete facts let nothing pass', async t => {
  const facts = keyFacts({}, { principal: null })
  t.equal(judgeCredential(facts, requestFor()), null)
  t.throws(() => judge(facts, null, requestFor()), TypeError)
})

/** Gather, judge, take: which step decides, and that a warm check makes no promise. */
import type { FastifyRequest } from 'fastify'
import tap from 'tap'
import type { Credential } from '../../src/domain/access/principal.ts'
import type { CredentialFacts } from '../../src/domain/access/facts.ts'
import type { MeteredCall, MeterVerdict } from '../../src/domain/metering/meter.ts'
import type { Registry } from '../../src/domain/access/registry.ts'
import type { Awaitable } from '../../src/base/awaitable.ts'
import { noPolicies } from '../../src/domain/policy/policy-evaluation.ts'
import { admission, type AdmissionDependencies } from '../../src/guard/admission.ts'
import { RouteCall } from '../../src/guard/route-call.ts'
import type { RouteRequirements } from '../../src/guard/needs.ts'
import { statuses } from '../../src/guard/refusal/public-refusal.ts'
import {
  earlier, key, keyFacts, managementFacts, now, organization, sessionFacts, webhookFacts
} from '../support/facts.ts'

/** What an admission asked for and took, in this order. */
class Steps {
  readonly taken: string[] = []
  facts: Awaitable<CredentialFacts> = keyFacts()
  metered: Awaitable<MeterVerdict> = { ok: true, spending: null, limits: [] }
  place: Awaitable<typeof organization | null> = { ...organization, id: 'org_other' }

  admit (more: Partial<RouteRequirements> = {}, params: Record<string, string> = {}, credential?: Credential) {
    const requirements: RouteRequirements = {
      route: 'GET /',
      scopes: [],
      apiKeyOnly: false,
      organization: null,
      feature: null,
      object: null,
      credits: 0,
      session: false,
      person: false,
      webhook: null,
      ...more
    }
    const note = (name: string, facts: Awaitable<CredentialFacts>) => ({
      gather: () => { this.taken.push(name); return facts }
    })
    const used = (name: string) => ({ touch: (id: string) => { this.taken.push(`${name} ${id}`) } })
    const dependencies = {
      authenticator: note('credential', this.facts),
      sessions: note('session', this.facts),
      webhooks: note('webhook', this.facts),
      registry: {
        organization: (id: string) => { this.taken.push(id); return this.place },
        policies: () => noPolicies
      } as unknown as Registry,
      keyUsage: used('key'),
      managementTokenUsage: used('token'),
      meter: { admit: ({ credits }: MeteredCall) => { this.taken.push(`${credits} credits`); return this.metered } },
      clock: () => now
    } as unknown as AdmissionDependencies
    const request = { params, ip: '192.0.2.1', ips: undefined, headers: {} } as unknown as FastifyRequest
    return admission(
      new RouteCall(dependencies, requirements, null, null, request),
      { credential: credential ?? { kind: 'api_key', text: 'text' }, inQuery: false }
    )
  }
}

tap.test('a warm check is answered by a value, never by a promise', async t => {
  for (const facts of [keyFacts(), managementFacts(), sessionFacts(), keyFacts({ revokedAt: earlier })]) {
    const steps = new Steps()
    steps.facts = facts
    const admitted = steps.admit({ scopes: ['read'], feature: 'reports' })
    t.notOk(admitted instanceof Promise, facts.kind)
  }
  const own = new Steps().admit({ organization: 'id' }, { id: organization.id })
  t.notOk(own instanceof Promise, 'its own organization, named by the path')
})

tap.test('what is not in memory is waited for, before the judge or after it', async t => {
  const cold = new Steps()
  cold.facts = Promise.resolve(keyFacts())
  t.match(await cold.admit(), { ok: true, principal: { id: key.id } })
  const charged = new Steps()
  charged.metered = Promise.resolve({ ok: true, spending: 'txn_a', limits: [] })
  t.match(await charged.admit({ credits: 2 }), { ok: true, spending: 'txn_a' })
  t.strictSame(charged.taken, ['credential', `key ${key.id}`, '2 credits'])
})

tap.test('402 and 429 come last, from what passed everything else, and its use is noted before', async t => {
  for (const reason of ['rate_limited', 'quota_exceeded', 'insufficient_credits'] as const) {
    const steps = new Steps()
    steps.metered = { ok: false, reason, retryAfterSeconds: 7, limits: [] }
    t.strictSame(await steps.admit(), {
      ok: false,
      refusal: { reason, presented: 'api_key', subject: key.id, organizationId: organization.id },
      retryAfterSeconds: 7,
      limits: []
    })
    t.strictSame(steps.taken, ['credential', `key ${key.id}`, '0 credits'])
    t.equal(statuses[reason], reason === 'insufficient_credits' ? 402 : 429)
    steps.taken.length = 0
    t.match(await steps.admit({ scopes: ['write'] }), { ok: false, refusal: { reason: 'insufficient_scope' } })
    t.match(
      await steps.admit({ organization: 'id' }, { id: 'org_foreign' }),
      { ok: false, refusal: { reason: 'organization_not_found' } }
    )
    t.strictSame(steps.taken, ['credential', 'credential'], 'nothing is taken, and nothing is looked up')
  }
})

tap.test('CL-05: another organization is looked up only for a credential that reaches it, and is good', async t => {
  const steps = new Steps()
  t.match(await steps.admit({ organization: 'id' }, { id: 'org_other' }), { ok: true, organizationId: 'org_other' })
  t.strictSame(steps.taken, ['credential', 'org_other', `key ${key.id}`, '0 credits'])
  steps.taken.length = 0
  steps.facts = keyFacts({ expiresAt: now })
  t.match(await steps.admit({ organization: 'id' }, { id: 'org_other' }), { refusal: { reason: 'expired' } })
  t.strictSame(steps.taken, ['credential'])
})

tap.test('only keys are metered, and a webhook is metered as its key', async t => {
  const steps = new Steps()
  steps.facts = managementFacts()
  t.match(await steps.admit(), { ok: true, spending: null, limits: [] })
  t.strictSame(steps.taken, ['credential', 'token mat_a'])
  const hook = new Steps()
  hook.facts = webhookFacts()
  t.match(await hook.admit({ webhook: { param: 'token', type: 'templates' } }, { token: 'x' }), {
    ok: false, refusal: { reason: 'several_credentials' }
  })
  t.strictSame(hook.taken, [], 'a webhook takes no credential besides')
})

tap.test('CK-10: a bearer token on a route for sessions is read as a session, a key as a key', async t => {
  const steps = new Steps()
  steps.facts = sessionFacts()
  t.match(await steps.admit({ session: true }, {}, { kind: 'access_token', text: 'text' }), { ok: true })
  steps.facts = keyFacts()
  t.match(await steps.admit({ session: true }), { ok: false, refusal: { reason: 'session_required' } })
  t.strictSame(steps.taken, ['session', 'credential'])
})

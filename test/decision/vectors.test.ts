/** The vectors of guards: current, and the same as what the guard of Fastify answers on a real server. */
import { readFileSync } from 'node:fs'
import tap, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { Latchkey } from '../../src/app.ts'
import { createResource } from '../../src/domain/declaration/resource-declaration.ts'
import { errorStyleNames, styles, takesKeysAsBearer } from '../../src/domain/resources/style.ts'
import { statuses } from '../../src/guard/refusal/public-refusal.ts'
import { file, vectors } from '../../scripts/vectors.ts'
import type { Answered, Situation } from '../../scripts/vectors/answers.ts'
import { resources } from '../../scripts/vectors/resources.ts'
import { startServer, type Answer, type Json } from '../support/test-server.ts'

type Vector = Situation & Answered & { name: string, resource: string, answer: Json }

const text = readFileSync(file, 'utf8')
const { cases } = JSON.parse(text) as { cases: Vector[] }

tap.test('the file is what `npm run vectors` makes', async t => {
  t.ok(text === vectors(), 'run `npm run vectors`')
  const names = cases.map(({ resource, name }) => `${resource}: ${name}`)
  t.equal(new Set(names).size, names.length, 'each case has a name of its own')
})

/** The server alone counts by the month; end users, webhooks and people have no place in another process. */
const elsewhere = new Set([
  'quota_exceeded', 'insufficient_credits', 'insufficient_budget', 'session_required', 'person_required',
  'cross_site_request', 'reauthentication_required'
])

tap.test('there is a case for every reason that a guard can find, in every style', async t => {
  for (const style of errorStyleNames) {
    const named = cases.filter(({ resource }) => resource === style)
    for (const reason of Object.keys(statuses)) {
      if (elsewhere.has(reason) || (reason === 'key_as_bearer' && takesKeysAsBearer(styles[style]))) continue
      const isThere = named.some(({ name, refusal }) => refusal?.reason === reason || name.includes(reason))
      t.ok(isThere, `${style}: ${reason}`)
    }
  }
})

const identifierOf = (style: string): string => `https://api.example.test/${style}`

/** A host for each kind of route: what it needs decides which scopes a challenge names. */
function hostOf ({ scopes, apiKeyOnly, credits }: Situation['needs'], resource: string): string {
  return [...scopes, apiKeyOnly ? 'key' : '', credits > 0 ? 'paid' : '', resource, 'test'].filter(Boolean).join('.')
}

/**
 * The server does not start with a route that needs a scope which is not declared; and the router takes 31 hosts, which
 * leaves none for the resource without metadata.
 */
const isMountable = ({ resource, needs }: Situation & { resource: string }): boolean =>
  resource !== 'urn' && needs.scopes.every(name => resources.get(resource)!.scopes.some(each => each.name === name))

/** What is refused before anything is looked up. A router takes no absolute target for a path. */
const formal = cases.filter(each => each.lookup === null && each.request.target.startsWith('/') && isMountable(each))

/** Each resource behind the guard of Fastify, with a host for each kind of route. */
async function mount (app: FastifyInstance, latchkey: Latchkey): Promise<void> {
  for (const [name, { identifier, style, kind, scopes }] of resources) {
    await createResource(latchkey.operation, {
      identifier, name, style, kind, scopes, defaultScopes: kind === 'mcp' ? ['read'] : []
    })
    await app.register(async api => {
      await api.register(latchkey.guard, { resource: identifier })
      const kinds = new Map(formal.filter(each => each.resource === name)
        .map(({ needs }) => [hostOf(needs, name), needs]))
      for (const [host, { scopes, apiKeyOnly, credits }] of kinds) {
        api.get('/*', { constraints: { host }, config: { scopes: [...scopes], apiKeyOnly, credits } }, async () => ({}))
      }
    })
  }
}

const server = await startServer({ bare: true, trustProxy: '127.0.0.1', mount })
tap.teardown(() => server.close())
server.clock.stop()

/** The answer of the server to a case, with this credential in place of the case's own. */
async function answerTo ({ resource, request, now, needs }: Vector, own?: string, instead?: string): Promise<Answer> {
  server.clock.advance((now - server.clock.now().getTime()) / 1_000)
  const headers = request.headers.flatMap(([name, value]) => name === 'host'
    ? ['host', hostOf(needs, resource)]
    : [name, own === undefined ? value : value.replace(own, instead!)])
  if (request.tls) headers.push('x-forwarded-proto', 'https')
  return await server.send({ method: request.method, path: request.target, headers })
}

function sameAnswer (t: Test, { name, resource, answer }: Vector, given: Answer): void {
  const headers = Object.fromEntries(Object.keys(answer.headers).map(each => [each, given.headers[each]]))
  t.strictSame({ status: given.status, headers, body: given.text }, answer, `${resource}: ${name}`)
}

tap.test('what is refused for its form is refused alike by the guard of Fastify', async t => {
  t.ok(formal.length > 60, `${formal.length} cases`)
  for (const each of formal) sameAnswer(t, each, await answerTo(each))
})

function caseOf (style: string, name: string): Vector {
  return cases.find(each => each.resource === style && each.name === name)!
}

tap.test('credentials are refused alike by the guard of Fastify: revoked, malformed, foreign, ended, of too little', async t => {
  const organization = await server.createOrganization()
  await server.admin('PATCH', `/organizations/${organization.id}`, { features: ['custom-scopes'] })
  const moment = caseOf('ledgerbee', 'rate_limited').now
  server.clock.advance((moment - 60_000 - server.clock.now().getTime()) / 1_000)
  for (const style of errorStyleNames) {
    const key = async (more: Json = {}): Promise<Json> => await server.createKey({
      organization: organization.id, resource: identifierOf(style), scopes: ['read'], ...more
    })
    const revoked = await key()
    t.equal((await server.admin('POST', `/api-keys/${revoked.id}/revoke`)).status, 200)
    const ended = await key({ expiresAt: new Date(moment).toISOString() })
    const tried: [string, Json][] = [
      ['revoked at the look-up (api_key)', revoked],
      ['malformed at the look-up (api_key)', { key: `${styles[style].keyPrefix}_live_short` }],
      ['expired key', ended],
      ['address_not_allowed (key)', await key({ allowlist: ['198.51.100.0/24'] })]
    ]
    for (const [name, { key: credential }] of tried) {
      const vector = caseOf(style, name)
      sameAnswer(t, vector, await answerTo(vector, vector.lookup!.credential, credential))
    }
    const limited = await key({ callsPerMinute: 2 })
    const vector = caseOf(style, 'rate_limited')
    for (const now of vector.earlier) {
      await answerTo({ ...vector, now }, vector.lookup!.credential, limited.key)
    }
    sameAnswer(t, vector, await answerTo(vector, vector.lookup!.credential, limited.key))
    server.clock.advance(-60)
  }
})

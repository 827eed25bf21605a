/** Every reason of the judge, in every style, by each way of asking for a decision, on both databases. */
import tap, { type Test } from 'tap'
import { openGuard, type GuardedRequest, type Needs, type RemoteGuard } from '../../packages/guard/src/index.ts'
import { errorStyleNames, styles, takesKeysAsBearer, type ErrorStyleName } from '../../src/domain/resources/style.ts'
import type { Reason } from '../../src/domain/access/principal.ts'
import { statuses } from '../../src/guard/refusal/public-refusal.ts'
import { wirePrincipal } from '../../src/management/schemas/principal.ts'
import { until } from '../support/waiting.ts'
import { MovableClock, startOnEachDatabase, type TestServer } from '../support/test-server.ts'
import { deploymentClient, verifyAs } from './asking.ts'
import {
  answered, compareWays, guardOf, mountReasons, passed, reasonsOfRequests, resourceOf, situationsOf, type Answered,
  type Ask,
  type Situation
} from './reasons.ts'

const clock = new MovableClock()
clock.stop()
/** The address of a proxy, which asks for its callers. */
const proxy = '127.0.0.99'
const { servers, close } = await startOnEachDatabase({
  clock, mount: mountReasons, registration: 'open', trustProxy: proxy
})
tap.teardown(close)

for (const { name, server } of servers) {
  for (const style of errorStyleNames) {
    tap.test(`LK-05: each way of asking answers every reason alike in ${style} [${name}]`, async t => {
      const situations = await situationsOf(server, style)
      const reasons = new Set([...situations.map(({ reason }) => reason), ...reasonsOfRequests])
      t.strictSame(Object.keys(statuses).filter(reason => !reasons.has(reason as Reason)), [], 'no reason is left out')
      await compareWays(t, situations, [
        ['guard', guardOf(server)],
        ['verify', await verifyOf(server, t)],
        ['remote guard', await remoteOf(server, style, t)],
        ['forward-auth', forwardAuthOf(server, t)]
      ])
    })
  }
}

/** Keys of others are told apart from those that do not exist in the audit log alone. */
function told ({ kind, reason }: Situation): string | undefined {
  const isHidden = kind === 'api_key' && (reason === 'wrong_resource' || reason === 'foreign_deployment')
  return isHidden ? 'unknown' : reason ?? undefined
}

/** Asks as a client of the deployment, which has the precise reason beside the answer that is compared. */
async function verifyOf (server: TestServer, t: Test): Promise<Ask> {
  const client = await deploymentClient(server, errorStyleNames.map(style => resourceOf(server.issuer, style)))
  return async (situation: Situation): Promise<Answered> => {
    const { resource, credential, needs, address, path } = situation
    const question = { resource, credential, address, path, scopes: [], ...needs }
    const { status, json, text } = await verifyAs(server, client, question)
    if (status !== 200) throw new Error(`${situation.title}: ${status} ${text}`)
    t.equal(json.reason, told(situation), `${situation.title}: the precise reason`)
    return json.allowed === true
      ? passed(json.headers ?? {}, JSON.stringify(json.principal))
      : json.refusal as Answered
  }
}

/** A guard in another process, which has asked the server for its resource. */
async function remoteOf (server: TestServer, style: ErrorStyleName, t: Test): Promise<Ask> {
  const resource = resourceOf(server.issuer, style)
  const client = await deploymentClient(server, [resource])
  const open = async (environment?: 'live'): Promise<RemoteGuard> => {
    const guard = await openGuard({
      server: server.url, ...client, resource, clock: clock.now, ...(environment && { environment })
    })
    t.teardown(() => guard.stop())
    return guard
  }
  const [both, live] = [await open(), await open('live')]
  return async situation => {
    const { needs, reason } = situation
    const guard = needs.environment === 'live' ? live : both
    await until('the guard is trusted', () => guard.isTrusted)
    // Its own count of a minute begins with the first call.
    if (reason === 'rate_limited') await guard.decide(guardedRequest(situation), needsOf(situation))
    const decision = await guard.decide(guardedRequest(situation), needsOf(situation))
    return decision.ok
      ? passed({ ...decision.headers }, JSON.stringify(wirePrincipal(decision.principal)))
      : answered({ ...decision.answer, text: decision.answer.body })
  }
}

function headersOf ({ kind, credential, style }: Situation): Record<string, string> {
  return kind === 'access_token' || takesKeysAsBearer(styles[style])
    ? { authorization: `Bearer ${credential}` }
    : { 'x-api-key': credential }
}

function guardedRequest (situation: Situation): GuardedRequest {
  const headers = headersOf(situation)
  const { address, path } = situation
  return {
    raw: { headers, rawHeaders: Object.entries(headers).flat() },
    query: {},
    method: 'GET',
    path,
    address,
    isOverTls: false,
    id: 'req_1'
  }
}

function needsOf ({ needs }: Situation): Needs {
  const { scopes = [], apiKeyOnly = false, organization = null, feature = null, object = null, credits = 0 } = needs
  return {
    scopes,
    apiKeyOnly,
    session: false,
    feature,
    object: object && { type: object.type },
    objectId: object && object.id,
    organizationId: organization,
    credits
  }
}

/** A proxy that asks before it lets a request through. Of one that passes it has headers in place of the principal. */
function forwardAuthOf (server: TestServer, t: Test): Ask {
  const guard = guardOf(server)
  return async situation => {
    const { resource, needs, address, path } = situation
    // The environment is the deployment's: a proxy serves both.
    if (needs.environment !== undefined) return await guard(situation)
    const query = new URLSearchParams({ scope: needs.scopes?.join(' ') ?? '-' })
    if (needs.apiKeyOnly === true) query.set('api_key_only', 'true')
    if (needs.organization !== undefined) query.set('organization', needs.organization)
    if (needs.feature !== undefined) query.set('feature', needs.feature)
    if (needs.object !== undefined) query.set('object', `${needs.object.type}:${needs.object.id}`)
    if (needs.credits !== undefined) query.set('credits', String(needs.credits))
    const answer = await server.send({
      path: `/api/v1/forward-auth/${encodeURIComponent(resource)}/${query.toString().replaceAll('+', '%20')}`,
      from: proxy,
      headers: {
        ...headersOf(situation), 'x-forwarded-for': address, 'x-forwarded-uri': path, 'x-forwarded-proto': 'http'
      }
    })
    if (answer.status !== 200) return answered(answer)
    const { body } = await guard(situation)
    t.equal(answer.headers['x-latchkey-id'], JSON.parse(body).id, `${situation.title}: the id for the upstream`)
    return passed(answer.headers as Record<string, string>, body)
  }
}

/** The limits of an authorization belong to the plan: a client that asks again, or ends what it has, stays in them. */
import tap from 'tap'
import {
  authorizationUrl, authorize, browserOf, createAskingClient, isCallback, newPkce, redeem, returned, tokenAs,
  type AskingClient
} from '../support/authorizing.ts'
import { createPerson, type Person } from '../support/people.ts'
import { decodeJwt, MovableClock, startOnEachDatabase, type TestServer } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase({ clock: new MovableClock() })
tap.teardown(close)

/** A round without a page; returns the access token. */
async function silently (
  server: TestServer, client: AskingClient, person: Person, asked: Record<string, string>
): Promise<string> {
  server.clock.advance(1)
  const { verifier, challenge } = newPkce()
  const url = authorizationUrl(server, client, challenge, { ...asked, prompt: 'none' })
  const { code = '' } = returned(await browserOf(server, person).open(url, isCallback))
  return (await redeem(server, client, { code, verifier })).json.access_token
}

for (const { name, server } of servers) {
  const asked = { resource: server.issuer, scope: 'invoices:read' }
  const idOf = (token: string): string => decodeJwt(token).payload.gnt
  const onPage = async (client: AskingClient, person: Person, more: Record<string, string> = {}) => {
    server.clock.advance(1)
    return (await redeem(server, client, await authorize(server, client, person, { ...asked, ...more }))).json
  }
  const limit = async (token: string, limits: object) =>
    (await server.admin('PATCH', `/authorizations/${idOf(token)}`, limits)).status
  const callsPerMonth = async (token: string) =>
    (await server.admin('GET', `/authorizations/${idOf(token)}`)).json.callsPerMonth
  const call = async (token: string) => (await server.bearer(token)).status

  tap.test(`prompt=none, another decision and the end of an authorization lead out of no limit [${name}]`, async t => {
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    const { access_token: first, refresh_token: refreshToken } = await onPage(client, person)
    t.equal(await limit(first, { callsPerMonth: 4 }), 200)
    t.equal(await call(first), 200)
    const second = await silently(server, client, person, asked)
    t.not(idOf(second), idOf(first))
    t.equal(await call(second), 200)
    const { access_token: third } = await onPage(client, person, { prompt: 'consent' })
    t.equal(await call(third), 200)
    for (const token of [second, third]) {
      t.equal((await server.admin('DELETE', `/authorizations/${idOf(token)}`)).status, 204)
    }
    const fourth = await silently(server, client, person, asked)
    t.equal(await call(fourth), 200)
    t.equal(await call(fourth), 429, 'the fifth call of the month')
    t.equal(await call(first), 429)
    const { access_token: refreshed } = (await tokenAs(server, client, {
      grant_type: 'refresh_token', refresh_token: refreshToken
    })).json
    t.equal(await call(refreshed), 429)
    t.equal(await limit(fourth, { callsPerMonth: null }), 200)
    t.strictSame([await call(first), await call(fourth)], [200, 200], 'the limits of a chain are changed together')
  })

  tap.test(`limits per minute are those of the chain, also for calls at once [${name}]`, async t => {
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    const { access_token: first } = await onPage(client, person)
    const second = await silently(server, client, person, asked)
    t.equal(await limit(first, { callsPerMinute: 2 }), 200)
    const statuses = await Promise.all([first, second, first, second].map(call))
    t.strictSame(statuses.filter(status => status === 429).length, 2)
  })

  tap.test(`without limits, a decision on the page begins an allowance of its own [${name}]`, async t => {
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    const { access_token: first } = await onPage(client, person)
    const { access_token: second } = await onPage(client, person, { prompt: 'consent' })
    t.equal(await limit(second, { callsPerMonth: 1 }), 200)
    t.equal(await call(second), 200)
    t.equal(await call(second), 429)
    t.strictSame([await call(first), await call(first)], [200, 200])
    t.equal(await callsPerMonth(first), null)
  })

  tap.test(`userinfo counts calls, and answers those over a limit in its own form [${name}]`, async t => {
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    const { access_token: token } = await onPage(client, person, { resource: '', scope: 'openid' })
    t.equal(await limit(token, { callsPerMinute: 1 }), 200)
    const ask = async () => await server.bearer(token, '/api/v1/oauth/userinfo')
    const first = await ask()
    t.match(first, { status: 200, json: { sub: person.id } })
    t.match(first.headers.ratelimit, '"minute";r=0;')
    const second = await ask()
    t.equal(second.status, 429)
    t.strictSame(Object.keys(second.json), ['error', 'error_description'])
    t.match(second.json, { error: 'slow_down' })
    t.match(second.headers, { 'retry-after': /^\d+$/, 'ratelimit-policy': '"minute";q=1;w=60' })
    const audited = async () =>
      (await server.admin('GET', `/audit?subject=${person.id}&type=credential.refused`)).json.data
    t.match((await eventually(audited, rows => rows.length > 0))[0].detail, { reason: 'rate_limited' })
    t.equal((await server.admin('GET', `/authorizations/${idOf(token)}/usage`)).json.calls, 1)
  })
}

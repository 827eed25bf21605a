/** RFC 6749 §5.2: what the token endpoint says of a code or refresh token that it does not take, and records. */
import tap from 'tap'
import { authorize, createAskingClient, newPkce, redeem, tokenAs } from '../support/authorizing.ts'
import { createPerson } from '../support/people.ts'
import { decodeJwt, startOnEachDatabase, type Answer, type Json } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

const over = 'The code was used, has expired or was never issued to this client: send the person through the ' +
  'authorization endpoint again.'
const refreshOver = 'The refresh token is not valid any more: its access has ended, it has expired or it was used ' +
  'twice; send the person through the authorization endpoint again.'

for (const { name, server } of servers) {
  const asked = { resource: server.issuer, scope: 'invoices:read' }
  const begin = async () => {
    const [person, client] = await Promise.all([createPerson(server), createAskingClient(server)])
    return { client, given: await authorize(server, client, person, asked) }
  }
  const said = ({ status, json }: Answer) => [status, json.error, json.error_description]
  const reasons = async (clientId: string, expected: number) => await eventually(async () => {
    const { json } = await server.admin('GET', `/audit?subject=${clientId}&type=client.refused`)
    return (json.data as Json[]).map(({ detail }) => detail.reason as string).sort()
  }, found => found.length >= expected)

  tap.test(`[${name}] a code that is unknown, used, expired or of another client has one sentence`, async t => {
    const { client, given } = await begin()
    const unknown = await redeem(server, client, { ...given, code: 'never-issued' })
    t.strictSame(said(unknown), [400, 'invalid_grant', over])
    const other = await createAskingClient(server)
    t.strictSame(said(await redeem(server, other, given)), [400, 'invalid_grant', over], 'SECURITY P2: of another')
    t.equal((await redeem(server, client, given)).status, 200)
    t.strictSame(said(await redeem(server, client, given)), [400, 'invalid_grant', over])
    const late = await begin()
    server.clock.advance(61_000)
    t.strictSame(said(await redeem(server, late.client, late.given)), [400, 'invalid_grant', over])
    t.strictSame(
      await reasons(client.id, 2), ['authorization code not found', 'it was used already'],
      'the precise reason is in the audit log'
    )
    t.strictSame(await reasons(other.id, 1), ['client mismatch'])
  })

  tap.test(`[${name}] a fault of code_verifier or redirect_uri is named, and uses nothing up`, async t => {
    const { client, given } = await begin()
    const { verifier: _, ...withoutVerifier } = given
    const missing = await tokenAs(server, client, {
      grant_type: 'authorization_code', code: withoutVerifier.code!, redirect_uri: client.redirectUri
    })
    t.match(missing.json, { error: 'invalid_grant', error_description: /^code_verifier is missing: send the one/ })
    const wrong = await redeem(server, client, { ...given, verifier: newPkce().verifier })
    t.match(wrong.json, { error: 'invalid_grant', error_description: /^code_verifier does not match the code_challenge/ })
    const elsewhere = await redeem(server, client, given, { redirect_uri: `${client.redirectUri}/other` })
    t.match(elsewhere.json, {
      error: 'invalid_grant', error_description: /^redirect_uri differs from that of the authorization request: send/
    })
    t.strictSame(await reasons(client.id, 3), [
      'authorization code redirect_uri mismatch', 'code_verifier does not match code_challenge',
      'code_verifier must be provided'
    ])
    t.equal((await redeem(server, client, given)).status, 200)
  })

  tap.test(`[${name}] a refresh token whose access has ended says so, as does one that was never issued`, async t => {
    const { client, given } = await begin()
    const { access_token: access, refresh_token: token } = (await redeem(server, client, given)).json
    const refresh = (sent: string) => tokenAs(server, client, { grant_type: 'refresh_token', refresh_token: sent })
    t.strictSame(said(await refresh('never-issued')), [400, 'invalid_grant', refreshOver])
    const { store } = server.latchkey.operation
    await store.authorizations.end(decodeJwt(access).payload.gnt, server.clock.now(), 'ended')
    t.strictSame(said(await refresh(token)), [400, 'invalid_grant', refreshOver])
    t.strictSame(await reasons(client.id, 2), ['grant not found', 'refresh token not found'])
  })

  tap.test(`[${name}] a code whose access has ended before it was redeemed says so`, async t => {
    const { client, given } = await begin()
    const { store } = server.latchkey.operation
    const page = await store.authorizations.page({ limit: 10, after: null }, { clientId: client.id } as never)
    await store.authorizations.end(page.items[0]!.id, server.clock.now(), 'ended')
    t.match((await redeem(server, client, given)).json.error_description, /^The access that the code stands for has en/)
  })

  tap.test(`[${name}] a public client that does not name itself is told to send client_id`, async t => {
    const body = new URLSearchParams({ grant_type: 'authorization_code', code: 'a', redirect_uri: 'https://a.test' })
    const { status, json } = await server.send({ method: 'POST', path: '/api/v1/auth/token', body })
    t.strictSame([status, json.error], [401, 'invalid_client'])
    t.match(json.error_description, 'a public client has to send client_id')
  })
}

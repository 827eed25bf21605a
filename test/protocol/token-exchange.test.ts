/** Access tokens that their client exchanges for narrower ones (RFC 8693), over real HTTP, on both databases. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import tap from 'tap'
import { endAuthorization } from '../../src/domain/authorizations/end.ts'
import { updateClient } from '../../src/domain/credentials/client-change.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { authorize, createAskingClient, redeem } from '../support/authorizing.ts'
import { createPerson } from '../support/people.ts'
import {
  basic, decodeJwt, MovableClock, startOnEachDatabase, type Answer, type ClientAnswer, type Json
} from '../support/test-server.ts'

const path = '/api/v1/auth/token'
const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const tokenType = 'urn:ietf:params:oauth:token-type:access_token'
const scopes = ['company:read', 'invoices:read', 'invoices:write']

const clock = new MovableClock()
const { servers, close } = await startOnEachDatabase({ clock })
tap.teardown(close)
clock.stop()

function form (token: string, more: Record<string, string> = {}): URLSearchParams {
  return new URLSearchParams({
    grant_type: grantType, subject_token: token, subject_token_type: tokenType, ...more
  })
}

function error (answer: Answer): unknown[] {
  if (Object.keys(answer.json).sort().join() !== 'error,error_description') throw new Error(answer.text)
  return [answer.status, answer.json.error]
}

for (const { name, server } of servers) {
  const { issuer } = server
  const exchanged = async (
    { clientId, clientSecret }: Pick<ClientAnswer, 'clientId' | 'clientSecret'>, token: string,
    more: Record<string, string> = {}
  ) => await server.send({
    method: 'POST', path, body: form(token, more), headers: { authorization: basic(clientId, clientSecret) }
  })

  tap.test(`RFC 8693: a client exchanges its token for one with less, for the same audience [${name}]`, async t => {
    const client = await server.createClient({ scopes })
    const parent = await server.tokenFor(client)
    clock.advance(60)
    const answer = await exchanged(client, parent, { scope: 'invoices:read', resource: issuer, expires_in: '120' })
    t.equal(answer.headers['cache-control'], 'no-store')
    const { access_token: token, ...others } = answer.json
    t.strictSame([answer.status, others], [200, {
      issued_token_type: tokenType, token_type: 'Bearer', expires_in: 120, scope: 'invoices:read'
    }])
    const [{ header, payload }, { header: first, payload: before }] = [decodeJwt(token), decodeJwt(parent)]
    t.strictSame([header.typ, payload.aud, payload.sub, payload.client_id, payload.org_id], [
      'at+jwt', issuer, client.clientId, client.clientId, before.org_id
    ])
    t.strictSame(payload.par, { jti: before.jti, gen: before.gen, kid: first.kid })
    t.equal(payload.gen, undefined, 'a server that knows no parents refuses it')
    t.strictSame([
      (await server.bearer(token)).status, (await server.bearer(token, '/api/v1/company')).status
    ], [200, 403])
    const whole = await exchanged(client, parent)
    t.strictSame([whole.json.scope, whole.json.expires_in], [scopes.join(' '), 3_540], 'it ends with its parent')
    t.equal(decodeJwt(whole.json.access_token).payload.exp, before.exp)
    clock.advance(120)
    t.strictSame([(await server.bearer(token)).status, (await server.bearer(parent)).status], [401, 200])
  })

  tap.test(`RFC 8693: more, another audience, and what is not its own is refused [${name}]`, async t => {
    const client = await server.createClient({ scopes: ['invoices:read', 'company:read'] })
    const other = await server.createClient({ organization: client.organization, scopes })
    const parent = await server.tokenFor(client)
    const key = await server.createKey({ organization: client.organization })
    const ofKey = await server.send({
      method: 'POST',
      path,
      body: form(key.key, {
        subject_token_type: 'urn:latchkey:params:oauth:token-type:api-key'
      })
    })
    const child = (await exchanged(client, parent)).json.access_token as string
    const cases: [string, string, Record<string, string>, string][] = [
      ['a scope that the token lacks', parent, { scope: 'invoices:write' }, 'invalid_scope'],
      ['another resource', parent, { resource: 'https://nowhere.test' }, 'invalid_target'],
      ['another audience', parent, { audience: `${issuer}/api/v1/management` }, 'invalid_target'],
      ['longer than the token', parent, { expires_in: '3601' }, 'invalid_request'],
      ['the token of another client', await server.tokenFor(other), {}, 'invalid_request'],
      ['the token of a key', ofKey.json.access_token as string, {}, 'invalid_request'],
      ['a token that was exchanged already', child, {}, 'invalid_request'],
      ['no token', 'nothing', {}, 'invalid_request'],
      ['an altered one', `${parent.slice(0, -4)}AAAA`, {}, 'invalid_request'],
      ['delegation', parent, { actor_token: parent, actor_token_type: tokenType }, 'invalid_request'],
    ]
    for (const [what, token, more, code] of cases) {
      const answer = await exchanged(client, token, more)
      t.strictSame(error(answer), [400, code], what)
      t.notMatch(answer.text, token)
    }
    const twice = form(parent).toString()
    t.strictSame(error(await server.send({
      method: 'POST',
      path,
      body: `${twice}&subject_token=x`,
      headers: {
        authorization: basic(client.clientId, client.clientSecret), 'content-type': 'application/x-www-form-urlencoded'
      }
    })), [400, 'invalid_request'], 'twice')
    t.strictSame(error(await exchanged({ ...client, clientSecret: 'x' }, parent)), [401, 'invalid_client'])
    t.strictSame(error(await server.send({ method: 'POST', path, body: form(parent) })), [401, 'invalid_client'])
    const unproved = form(parent, { client_id: client.clientId })
    t.strictSame(error(await server.send({ method: 'POST', path, body: unproved })), [401, 'invalid_client'])
    clock.advance(3_600)
    t.strictSame(error(await exchanged(client, parent)), [400, 'invalid_request'], 'an expired one')
  })

  tap.test(`RFC 8693: the new token ends with its parent, with its client, and by itself [${name}]`, async t => {
    const { operation } = server.latchkey
    const { id: organization } = await server.createOrganization()
    const ends: Record<string, (client: ClientAnswer, parent: string, child: string) => Promise<unknown>> = {
      'the parent is revoked': (client, parent) => revoke(client, parent),
      'it is revoked itself': (client, _, child) => revoke(client, child),
      'the client is revoked': ({ clientId }) => server.admin('DELETE', `/clients/${clientId}`),
      'the client is another generation': ({ clientId }) =>
        updateClient(operation, clientId, { grants: [{ resource: issuer, scopes: ['company:read'] }] }),
      'the address of the client is kept out': ({ clientId }) =>
        updateClient(operation, clientId, { allowlist: ['192.0.2.1'] }),
    }
    const revoke = async ({ clientId, clientSecret }: ClientAnswer, token: string) => {
      const body = new URLSearchParams({ client_id: clientId, client_secret: clientSecret, token })
      const { status } = await server.send({ method: 'POST', path: '/api/v1/oauth/revoke', body })
      if (status !== 200) throw new Error('not revoked')
    }
    for (const [what, end] of Object.entries(ends)) {
      const client = await server.createClient({ organization, scopes })
      const parent = await server.tokenFor(client)
      const child = (await exchanged(client, parent, { scope: 'invoices:read' })).json.access_token as string
      const sibling = (await exchanged(client, parent)).json.access_token as string
      t.equal((await server.bearer(child)).status, 200)
      await end(client, parent, child)
      t.equal((await server.bearer(child)).status, 401, what)
      t.equal((await server.bearer(sibling)).status, what === 'it is revoked itself' ? 200 : 401)
    }
  })

  tap.test(`RFC 8693: every method by which a client proves itself will do, and oauth4webapi takes the answer [${name}]`, async t => {
    const insecure = { [oauth.allowInsecureRequests]: true }
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const posting = await server.createClient({ scopes, tokenEndpointAuthMethod: 'client_secret_post' })
    const signing = await server.createClient({
      scopes, tokenEndpointAuthMethod: 'private_key_jwt', jwks: { keys: [{ ...await exportJWK(publicKey), kid: 'a' }] }
    })
    const as = await oauth.processDiscoveryResponse(
      new URL(issuer), await oauth.discoveryRequest(new URL(issuer), { ...insecure, algorithm: 'oauth2' })
    )
    const assertion = async () => ({
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await new SignJWT({ jti: newSecret() }).setProtectedHeader({ alg: 'ES256', kid: 'a' })
        .setIssuer(signing.clientId).setSubject(signing.clientId).setAudience(issuer)
        .setIssuedAt(clock.now()).setExpirationTime(new Date(clock.now().getTime() + 60_000)).sign(privateKey)
    })
    const ofSigning = await server.send({
      method: 'POST', path, body: new URLSearchParams({ grant_type: 'client_credentials', ...await assertion() })
    })
    const bySigning = await server.send({
      method: 'POST', path, body: form(ofSigning.json.access_token, await assertion())
    })
    t.match([bySigning.status, bySigning.json], [200, { token_type: 'Bearer', scope: scopes.join(' ') }])
    const client = { client_id: posting.clientId }
    const response = await oauth.genericTokenEndpointRequest(
      as, client, oauth.ClientSecretPost(posting.clientSecret), grantType,
      { subject_token: await server.tokenFor(posting), subject_token_type: tokenType, scope: 'invoices:read' }, insecure
    )
    const answer = await oauth.processGenericTokenEndpointResponse(as, client, response)
    t.match(answer, { token_type: 'bearer', issued_token_type: tokenType, scope: 'invoices:read' })
    t.equal((await server.bearer(answer.access_token)).status, 200)
  })

  tap.test(`RFC 8693, OC-02: the token by which a client acts for a person is narrowed, and ends with what they allowed [${name}]`, async t => {
    const person = await createPerson(server)
    const confidential = await createAskingClient(server, { token_endpoint_auth_method: 'client_secret_basic' })
    const asked = { resource: issuer, scope: 'invoices:read company:read' }
    const given = await authorize(server, confidential, person, asked)
    const basicProof = { authorization: basic(confidential.id, confidential.secret!) }
    const { access_token: parent } = (await server.send({
      method: 'POST',
      path,
      headers: basicProof,
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code: given.code!,
        code_verifier: given.verifier,
        redirect_uri: confidential.redirectUri
      })
    })).json
    const narrow = async (more: Record<string, string>) =>
      await server.send({ method: 'POST', path, headers: basicProof, body: form(parent, more) })
    const answer = await narrow({ scope: 'invoices:read' })
    t.equal(answer.status, 200, answer.text)
    const child = answer.json.access_token as string
    const { payload } = decodeJwt(child)
    const { payload: before } = decodeJwt(parent)
    t.strictSame([payload.sub, payload.gnt, payload.client_id], [person.id, before.gnt, confidential.id])
    const seen = await server.bearer(child)
    t.match([seen.status, seen.json.seen], [200, { kind: 'access_token', id: person.id }])
    t.equal((await server.bearer(child, '/api/v1/company')).status, 403)
    t.strictSame(error(await narrow({ scope: 'invoices:write' })), [400, 'invalid_scope'])
    await endAuthorization(server.latchkey.operation, before.gnt as string)
    t.equal((await server.bearer(child)).status, 401)
    t.strictSame(error(await narrow({})), [400, 'invalid_request'])

    const unproved = await createAskingClient(server)
    const mine = (await redeem(server, unproved, await authorize(server, unproved, person, asked))).json as Json
    const body = form(mine.access_token as string, { client_id: unproved.id })
    t.strictSame(error(await server.send({ method: 'POST', path, body })), [400, 'unauthorized_client'])
  })
}

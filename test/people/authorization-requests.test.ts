/** Hostile and mistaken authorization requests: what is shown to the person, and what goes back to the client. */
import tap, { type Test } from 'tap'
import {
  answerPage, authorizationUrl, authorize, browserOf, callback, createAskingClient, isCallback, newPkce, redeem,
  returned, tokenAs, type AskingClient
} from '../support/authorizing.ts'
import { newBrowser } from '../support/browsing.ts'
import { createPerson } from '../support/people.ts'
import { startServer, type Json } from '../support/test-server.ts'

tap.setTimeout(600_000)
const server = await startServer()
tap.teardown(server.close)

const { challenge, verifier } = newPkce()
const person = await createPerson(server)
const web = await createAskingClient(server)
const native = await createAskingClient(server, {
  application_type: 'native', redirect_uris: ['http://127.0.0.1/callback', 'com.example.app:/callback']
})
const asked = { resource: server.issuer, scope: 'invoices:read' }

/** What a signed-in person's browser gets for a request. */
async function request (client: AskingClient, parameters: Record<string, string>) {
  return await browserOf(server, person).open(authorizationUrl(server, client, challenge, parameters), isCallback)
}

tap.test('A1: a redirect URI that differs in one character is shown as an error, and never redirected to', async t => {
  const tricks = [
    `${callback}/`, `${callback}?a=b`, `${callback}#x`, `${callback}%20`, callback.replace('https', 'HTTPS'),
    callback.replace('app', 'APP'), callback.replace('.test', '.test.'), callback.replace('.test', '.test:443'),
    callback.replace('.test', '.test:8443'), callback.replace('https://', 'https://user@'),
    callback.replace('https://', 'https://app.example.test@evil.test/'), `${callback}/../callback`,
    `${callback}/.`, callback.replace('/callback', '/%63allback'), callback.replace('/callback', '//callback'),
    callback.replace('/callback', '\\callback'), callback.replace('https', 'http'), 'https://evil.test/callback',
    'https://app.example.test.evil.test/callback', 'https://аpp.example.test/callback', ` ${callback}`,
    `${callback} `, `${callback}\t`, `${callback}\n`, 'javascript:alert(1)//',
    'JaVaScRiPt:alert(1)', 'java\tscript:alert(1)',
    'data:text/html,x', 'about:blank', '/callback', '//app.example.test/callback', 'callback', 'null'
  ]
  for (const trick of tricks) {
    const visit = await request(web, { ...asked, redirect_uri: trick })
    t.equal(visit.status, 400, trick)
    t.equal(visit.headers.location, undefined, trick)
    t.match(visit.headers['content-type'], 'text/html')
  }
  const twice = await browserOf(server, person).send(
    'GET', `${authorizationUrl(server, web, challenge, asked)}&redirect_uri=https://evil.test`
  )
  t.equal(twice.headers.location, undefined)
  t.equal(twice.status, 400)
})

tap.test('A2: a loopback redirect URI of a native client has any port, and nothing else differs', async t => {
  for (const uri of ['http://127.0.0.1/callback', 'http://127.0.0.1:1/callback', 'http://127.0.0.1:65535/callback']) {
    t.equal((await request(native, { ...asked, redirect_uri: uri })).status, 200, uri)
  }
  const refused = [
    'http://127.0.0.1:3334/callback/', 'http://127.0.0.1.evil.test/callback', 'http://127.1/callback',
    'http://0x7f.1/callback', 'http://2130706433/callback', 'http://localhost/callback', 'http://[::1]/callback',
    'https://127.0.0.1/callback', 'http://127.0.0.1:3334/a/../callback', 'http://127.0.0.1@evil.test/callback',
    'http://127.0.0.1:99999/callback', 'com.example.app:/callback/', 'com.example.evil:/callback'
  ]
  for (const uri of refused) t.equal((await request(native, { ...asked, redirect_uri: uri })).status, 400, uri)
})

tap.test('A7: what is wrong before client and redirect URI are known is shown locally, as text', async t => {
  for (const parameters of [{ client_id: '' }, { client_id: '<svg onload=alert(1)>' }, { client_id: 'cli_none' }]) {
    const visit = await request(web, { ...asked, ...parameters })
    t.equal(visit.status, 400)
    t.equal(visit.headers.location, undefined)
    t.notMatch(visit.text, '<svg onload')
    t.match(visit.headers['content-security-policy'], "default-src 'none'")
    t.match(visit.headers['cache-control'], 'no-store')
  }
  const evil = { response_type: '<svg onload=alert(1)>', redirect_uri: 'https://evil.test' }
  const visit = await request(web, { ...asked, ...evil })
  t.notMatch(visit.text, '<svg onload')
})

tap.test('A4: PKCE by S256 is required, and the verifier decides', async t => {
  const atRequest: [Record<string, string>, string][] = [
    [{ code_challenge: '', code_challenge_method: '' }, 'invalid_request'],
    [{ code_challenge_method: '' }, 'invalid_request'],
    [{ code_challenge_method: 'plain' }, 'invalid_request'],
    [{ code_challenge_method: 's256' }, 'invalid_request'],
    [{ code_challenge_method: 'S257' }, 'invalid_request'],
    [{ code_challenge: 'short' }, 'invalid_request'],
    [{ code_challenge: 'x'.repeat(129) }, 'invalid_request'],
    [{ code_challenge: '' }, 'invalid_request'],
  ]
  for (const [parameters, error] of atRequest) {
    const back = returned(await request(web, { ...asked, ...parameters }))
    t.match(back, { error, state: 'a-state', iss: server.issuer }, JSON.stringify(parameters))
  }
  const wrong = ['', newPkce().verifier, challenge, `${verifier}x`, 'short', 'x'.repeat(129)]
  for (const each of wrong) {
    const { code } = await authorize(server, web, person, asked)
    const { status, json } = await tokenAs(server, web, {
      grant_type: 'authorization_code', code: code!, redirect_uri: web.redirectUri, ...(each && { code_verifier: each })
    })
    t.equal(status, 400, each)
    t.ok(['invalid_grant', 'invalid_request'].includes(json.error), json.error)
  }
})

tap.test('A6: every error that goes back to the client has iss and state', async t => {
  const errors: [Record<string, string>, string][] = [
    [{ response_type: 'token' }, 'unsupported_response_type'],
    [{ response_type: 'code id_token' }, 'unsupported_response_type'],
    [{ scope: 'nothing:read' }, 'invalid_scope'],
    [{ scope: 'a"b' }, 'invalid_scope'],
    [{ resource: 'https://unknown.example.test', prompt: 'none' }, 'invalid_target'],
    [{ resource: `${server.issuer}#x` }, 'invalid_target'],
    [{ resource: 'relative' }, 'invalid_target'],
    [{ resource: '' }, 'invalid_target'],
    [{ resource: `${server.issuer}/api/v1`, prompt: 'none' }, 'invalid_target'],
    [{ prompt: 'none', scope: 'company:read' }, 'consent_required'],
    [{ prompt: 'none login' }, 'invalid_request'],
    [{ request: 'eyJ' }, 'request_not_supported'],
    [{ request_uri: 'https://evil.test/' }, 'request_uri_not_supported'],
    [{ registration: '{}' }, 'registration_not_supported'],
    [{ max_age: '-1' }, 'invalid_request'],
  ]
  for (const [parameters, error] of errors) {
    const visit = await request(web, { ...asked, ...parameters })
    t.ok(isCallback(visit.url), `${JSON.stringify(parameters)} ${visit.status} ${visit.text.slice(0, 100)}`)
    t.match(returned(visit), { error, iss: server.issuer, state: 'a-state' }, JSON.stringify(parameters))
  }
  const nobody = await newBrowser().open(
    authorizationUrl(server, web, challenge, { ...asked, prompt: 'none' }), isCallback
  )
  t.match(returned(nobody), { error: 'login_required', iss: server.issuer })
})

tap.test('a response type that answers in the fragment is refused there; no other error goes there', async t => {
  const placesOf = async (more: Record<string, string>) => {
    const { search, hash } = new URL((await request(web, { ...asked, ...more })).url)
    return [search.includes('error='), hash.includes('error=')]
  }
  for (const type of ['token', 'code id_token', 'id_token token']) {
    t.strictSame(await placesOf({ response_type: type }), [false, true], type)
  }
  t.strictSame(await placesOf({ response_type: 'none' }), [true, false])
  t.strictSame(await placesOf({ scope: 'a"b' }), [true, false])
})

tap.test('a response mode other than the query gets no HTML page with the answer in it', async t => {
  for (const mode of ['form_post', 'fragment', 'jwt', 'web_message']) {
    const visit = await request(web, { ...asked, response_mode: mode })
    t.ok(visit.status === 400 || returned(visit).error !== undefined, `${mode} ${visit.status} ${visit.url}`)
    t.notMatch(visit.text, '<form method="post" action="https://app')
  }
})

tap.test('RFC 8707: another spelling of a resource is the resource; several are refused; none has no default', async t => {
  const spelled = server.issuer.replace('http://', 'HTTP://') + '/'
  const given = await authorize(server, web, person, { ...asked, resource: spelled })
  const answer = await redeem(server, web, given, { resource: `${server.issuer}/` })
  t.equal(answer.status, 200, answer.text)
  const visit = await browserOf(server, person).open(
    `${authorizationUrl(server, web, challenge, asked)}&resource=https://other.example.test`, isCallback
  )
  t.match(returned(visit), { error: 'invalid_target' })
})

tap.test('P3: a wrong resource at the token endpoint does not use the code up', async t => {
  const given = await authorize(server, web, person, asked)
  const wrong = await redeem(server, web, given, { resource: 'https://other.example.test' })
  t.strictSame([wrong.status, wrong.json.error], [400, 'invalid_target'])
  t.equal((await redeem(server, web, given, { resource: server.issuer })).status, 200)
})

tap.test('A5: a code is bound to its client and redirect URI, and stays good when another client sends it', async t => {
  const other = await createAskingClient(server)
  const given = await authorize(server, web, person, asked)
  const stolen = await redeem(server, { ...other, redirectUri: web.redirectUri }, given)
  t.equal(stolen.json.error, 'invalid_grant')
  t.equal((await redeem(server, web, given, { redirect_uri: `${callback}/` })).json.error, 'invalid_grant')
  t.equal((await redeem(server, web, given)).status, 200)
})

tap.test('PAR: the response mode and the spelling of a resource are read in a pushed request, too', async t => {
  const push = (more: Record<string, string>) => server.send({
    method: 'POST',
    path: '/api/v1/oauth/par',
    body: new URLSearchParams(new URL(authorizationUrl(server, web, challenge, { ...asked, ...more })).search)
  })
  for (const mode of ['form_post', 'fragment', 'jwt', 'web_message']) {
    const { status, json } = await push({ response_mode: mode })
    t.strictSame([status, json.error], [400, 'unsupported_response_mode'], mode)
  }
  const pushed = await push({ resource: `${server.issuer.replace('http://', 'HTTP://')}/`, response_mode: 'query' })
  const query = new URLSearchParams({ client_id: web.id, request_uri: pushed.json.request_uri })
  const browser = browserOf(server, person)
  const page = await browser.open(`${server.url}/api/v1/oauth/authorize?${query}`, isCallback)
  const { code } = returned(isCallback(page.url) ? page : await answerPage(server, browser, page, 'allow'))
  const { status, json } = await redeem(server, web, { code: code!, verifier })
  t.strictSame([status, json.scope], [200, 'invoices:read'])
})

tap.test('PAR: a pushed request is used once, and its parameters are those that count', async t => {
  const push = (parameters: Record<string, string>) => server.send({
    method: 'POST',
    path: '/api/v1/oauth/par',
    body: new URLSearchParams({
      client_id: web.id,
      response_type: 'code',
      redirect_uri: callback,
      code_challenge: challenge,
      code_challenge_method: 'S256',
      state: 'pushed',
      ...parameters
    })
  })
  const pushed = await push(asked)
  t.equal(pushed.status, 201, pushed.text)
  t.match(pushed.json, { request_uri: /^urn:ietf:params:oauth:request_uri:/, expires_in: 60 })
  const url = `${server.url}/api/v1/oauth/authorize?${new URLSearchParams({
    client_id: web.id, request_uri: pushed.json.request_uri, scope: 'invoices:write'
  })}`
  const browser = browserOf(server, person)
  const end = await browser.open(url, isCallback)
  const back = returned(isCallback(end.url) ? end : await answerPage(server, browser, end, 'allow'))
  t.equal(back.state, 'pushed')
  t.equal((await redeem(server, web, { code: back.code!, verifier })).json.scope, 'invoices:read')
  const again = await browserOf(server, person).open(url, isCallback)
  t.equal(isCallback(again.url), false)
  t.equal(again.status, 400)
  const other = await createAskingClient(server)
  const foreign = await push(asked)
  const stolen = await browserOf(server, person).open(`${server.url}/api/v1/oauth/authorize?${new URLSearchParams({
    client_id: other.id, request_uri: foreign.json.request_uri
  })}`, isCallback)
  t.equal(stolen.status, 400)
  t.equal((await push({ ...asked, redirect_uri: 'https://evil.test/' })).status, 400)
  t.equal((await push({ ...asked, request_uri: 'urn:x' })).status, 400)
  const unknown = await push({ ...asked, resource: 'https://unknown.example.test' })
  t.equal(unknown.status, 201, 'whether there is such a resource is told to a person who has signed in')
  const refused = await browserOf(server, person).open(`${server.url}/api/v1/oauth/authorize?${new URLSearchParams({
    client_id: web.id, request_uri: unknown.json.request_uri
  })}`, isCallback)
  t.match(refused.text, 'asks for an API that is not open to you')
})

tap.test('a public client gets no token for itself, and cannot introspect', async t => {
  const both = await createAskingClient(server, {
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials']
  })
  const answer = await tokenAs(server, both, { grant_type: 'client_credentials' })
  t.strictSame([answer.status, answer.json.error], [400, 'unauthorized_client'])
  const introspected = await server.send({
    method: 'POST', path: '/api/v1/oauth/introspect', body: new URLSearchParams({ client_id: both.id, token: 'x' })
  })
  t.strictSame([introspected.status, introspected.json.error], [401, 'invalid_client'])
})

tap.test('a confidential client proves itself when it redeems a code', async t => {
  const client = await createAskingClient(server, { token_endpoint_auth_method: 'client_secret_post' })
  const given = await authorize(server, client, person, asked)
  t.equal((await redeem(server, { ...client, secret: null }, given)).status, 401)
  t.equal((await redeem(server, { ...client, secret: 'wrong' }, given)).status, 401)
  t.equal((await redeem(server, client, given)).status, 200)
})

tap.test('a code ends after 60 seconds, and a request that is asked of nobody after ten minutes', async (t: Test) => {
  const given = await authorize(server, web, person, asked)
  const before = await request(native, { ...asked, redirect_uri: 'http://127.0.0.1/callback' })
  t.equal(before.status, 200)
  server.clock.advance(61)
  t.equal((await redeem(server, web, given) as Json).json.error, 'invalid_grant')
})

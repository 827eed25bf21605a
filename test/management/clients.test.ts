/** Clients that act for people, as operators create and change them. */
import tap from 'tap'
import { decodeJwt, startServer } from '../support/test-server.ts'

const server = await startServer({ environment: { LATCHKEY_REDIRECT_SCHEMES: 'cursor' } })
tap.teardown(server.close)
const organization = await server.createOrganization()

const create = async (more: object) =>
  await server.admin('POST', '/clients', { organization: organization.id, name: 'agent', grants: [], ...more })
const change = async (id: string, body: object) => await server.admin('PATCH', `/clients/${id}`, body)

tap.test('an operator creates clients that act for people, public ones without a secret', async t => {
  const redirectUris = ['http://127.0.0.1/cb', 'cursor://anysphere.cursor-mcp/oauth/callback']
  const agent = await create({ redirectUris, tokenEndpointAuthMethod: 'none' })
  t.equal(agent.status, 201, agent.text)
  t.match(agent.json, {
    redirectUris,
    grantTypes: ['authorization_code', 'refresh_token'],
    applicationType: 'native',
    tokenEndpointAuthMethod: 'none',
    secrets: []
  })
  t.notOk('clientSecret' in agent.json)
  const web = await create({ redirectUris: ['https://app.example/cb'], grantTypes: ['authorization_code'] })
  t.match(web.json, { applicationType: 'web', grantTypes: ['authorization_code'], clientSecret: /^.{43}$/ })
  const machine = await create({})
  t.match(machine.json, { redirectUris: [], grantTypes: ['client_credentials'], applicationType: null })
  const rotated = await server.admin('POST', `/clients/${agent.json.clientId}/rotate-secret`, { overlapSeconds: 0 })
  t.match([rotated.status, rotated.json.details?.message ?? rotated.json.message ?? rotated.text], [400, /no secret/])
})

tap.test('A1, A3: redirect URIs and grants that do not go with a client are refused by field and reason', async t => {
  const uri = 'https://app.example/cb'
  const both = ['authorization_code', 'client_credentials']
  const cases: [object, string, RegExp][] = [
    [{ redirectUris: [uri, 'javascript:alert(1)'] }, 'redirectUris', /redirectUris\[1\] uses the scheme javascript/],
    [{ redirectUris: ['https://app.example/cb#x'] }, 'redirectUris', /fragment/],
    [{ redirectUris: ['https://App.example/cb'] }, 'redirectUris', /write https:\/\/app\.example\/cb/],
    [{ redirectUris: ['https://*.example/cb'] }, 'redirectUris', /wildcard/],
    [{ redirectUris: ['vscode://x/cb'] }, 'redirectUris', /scheme vscode, which is no reversed domain name/],
    [
      { redirectUris: [uri], idTokenSignedResponseAlg: 'HS256' }, 'idTokenSignedResponseAlg',
      /body\.idTokenSignedResponseAlg must be one of ES256, RS256\./
    ],
    [{ grantTypes: ['password'] }, 'grantTypes.0', /must be one of client_credentials, authorization_code, refresh_token/],
    [{ redirectUris: ['com.example.app:/cb'], applicationType: 'web' }, 'redirectUris', /application_type native/],
    [{ grantTypes: ['authorization_code'] }, 'grantTypes', /takes a redirect URI/],
    [{ redirectUris: [uri], grantTypes: ['refresh_token'] }, 'grantTypes', /takes authorization_code beside it/],
    [{ tokenEndpointAuthMethod: 'none' }, 'grantTypes', /takes a client that proves itself/],
    [
      { redirectUris: [uri], tokenEndpointAuthMethod: 'none', grantTypes: both },
      'grantTypes', /takes a client that proves itself/
    ],
  ]
  const { json: { clientId: id } } = await create({})
  for (const [more, field, sentence] of cases) {
    const created = await create(more)
    t.match([created.status, created.json.details?.field], [400, field], JSON.stringify(more))
    t.match(created.text, sentence)
    if ('tokenEndpointAuthMethod' in more) continue
    const changed = await change(id, more)
    t.match([changed.status, changed.json.details?.field], [400, field], JSON.stringify(more))
  }
  t.match((await server.admin('GET', `/clients/${id}`)).json, { redirectUris: [], grantTypes: ['client_credentials'] })
})

tap.test('a change replaces redirect URIs; a changed grant ends the tokens, and other changes leave both as they are', async t => {
  const before = { redirectUris: ['https://app.example/cb'], grantTypes: ['client_credentials'] }
  const { json: client } = await create(before)
  const token = await server.tokenFor(client as never)
  t.equal(decodeJwt(token).payload.gen, 1)
  const moved = await change(client.clientId, { redirectUris: ['http://localhost/cb'] })
  t.match(moved.json, {
    redirectUris: ['http://localhost/cb'], applicationType: 'native', grantTypes: ['client_credentials'], generation: 1
  })
  const granted = await change(client.clientId, { grantTypes: ['authorization_code', 'refresh_token'] })
  t.match(granted.json, {
    redirectUris: ['http://localhost/cb'], grantTypes: ['authorization_code', 'refresh_token'], generation: 2
  })
  const refused = await server.tokenRequest(client as never)
  t.match([refused.status, refused.json.error], [400, 'unauthorized_client'])
  const renamed = await change(client.clientId, { name: 'renamed' })
  t.match(renamed.json, { name: 'renamed', redirectUris: ['http://localhost/cb'], generation: 2 })
})

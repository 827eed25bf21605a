/**
 * A credential that cannot do anything yet is created all the same, and the answer warns: a typo shows before the first
 * refusal.
 */
import * as oauth from 'oauth4webapi'
import tap from 'tap'
import { readWarnings } from '../../src/http/process-warning.ts'
import { startServer, type Answer, type Json } from '../support/test-server.ts'
import { latchkeyCommand, ownEnvironment, run } from '../support/running-server.ts'

const server = await startServer()
tap.teardown(server.close)
const { issuer, admin, url } = server
const { id: organization } = await server.createOrganization()
const saidOf = ({ headers }: Answer): string[] => readWarnings(String(headers.warning ?? ''))

const none = (grants: Json[]) => ({ organization, name: 'billing', grants })
const some = { resource: issuer, scopes: ['invoices:read'] }

tap.test('a client without a scope: at its creation, at its change, and when the answer is given again', async t => {
  const made = await admin('POST', '/clients', none([]))
  const { clientId } = made.json
  const sentence =
    `The client ${clientId} has no scope yet, so its tokens are refused by every route that requires one: latchkey ` +
    'client update ' +
      `${clientId} --resource API --scope NAME`
  t.strictSame([made.status, saidOf(made)], [201, [sentence]])
  t.strictSame(saidOf(await admin('PATCH', `/clients/${clientId}`, { grants: [some] })), [])
  t.strictSame(saidOf(await admin('PATCH', `/clients/${clientId}`, { grants: [{ ...some, scopes: [] }] })), [sentence])
  t.strictSame(saidOf(await admin('POST', '/clients', none([some]))), [])
  t.strictSame(
    saidOf(await admin('POST', '/clients', { ...none([]), introspects: [issuer] })),
    [],
    'one that introspects is for that'
  )
  const again = () => server.send({
    method: 'POST',
    path: '/api/v1/clients',
    headers: { authorization: `Bearer ${server.adminToken}`, 'idempotency-key': 'once' },
    body: none([]),
  })
  const [first, second] = [await again(), await again()]
  t.strictSame(second.json, first.json)
  t.strictSame(saidOf(second), saidOf(first))
  t.equal(saidOf(first).length, 1)
})

tap.test('a resource without a scope, and one that is named by http', async t => {
  const create = async (identifier: string, scopes: string[]) => await admin(
    'POST',
    '/resources',
    { identifier, scopes: scopes.map(name => ({ name })) }
  )
  const bare = await create('https://bare.test', [])
  const noScope =
    `The resource ${bare.json.id} declares no scope yet, so no credential for it can have one: latchkey resource ` +
      `update ${bare.json.id} --scope NAME`
  t.strictSame([bare.status, saidOf(bare)], [201, [noScope]])
  t.strictSame(saidOf(await admin('PATCH', `/resources/${bare.json.id}`, { scopes: [{ name: 'a' }] })), [])
  const inClear = await create('http://clear.test', ['a'])
  t.match(
    saidOf(inClear),
    [`The identifier of ${inClear.json.id} uses http, so its credentials are sent unencrypted`]
  )
  t.equal(saidOf(await create('http://both.test', [])).length, 2)
  t.strictSame(saidOf(await create('http://localhost:8080', ['a'])), [], 'on this machine nothing crosses a network')
  t.strictSame(saidOf(await create('https://fine.test', ['a'])), [])
  const mcp = await admin(
    'POST',
    '/mcp-servers',
    { organization, identifier: 'http://mcp.test', name: 'mcp', scopes: [] }
  )
  t.strictSame([mcp.status, saidOf(mcp).length], [201, 2])
})

tap.test('an API key, a publishable key and an access token without a scope', async t => {
  const key = { organization, resource: issuer, environment: 'live', name: 'ci' }
  const custom = await admin('POST', '/api-keys', { ...key, scopes: [] })
  const { id } = custom.json
  t.strictSame(
    saidOf(custom),
    [`The key ${id} has no scope yet, so every route that requires one refuses it: latchkey key update ${id} --scope ` +
      'NAME']
  )
  t.strictSame(saidOf(await admin('POST', '/api-keys', { ...key, access: 'read-only' })), [])
  t.strictSame(saidOf(await admin('POST', '/api-keys', { ...key, scopes: ['invoices:read'] })), [])
  const [publishable, token] = [
    await admin('POST', '/publishable-keys', { ...key, scopes: [] }),
    await admin('POST', '/access-tokens', { organization, name: 'ci', scopes: [] }),
  ]
  for (const { status, json, ...answer } of [publishable, token]) {
    t.strictSame(
      [status, saidOf({ status, json, ...answer })],
      [
        201,
        [
          `${json.id} has no scope, so every route that requires one refuses it: create another with --scope NAME`,
        ],
      ]
    )
  }
})

tap.test('a token without a scope: the header says so, the body stays that of RFC 6749 §5.1, and a client library takes it', async t => {
  const made = (
    await admin('POST', '/clients', none([{ ...some, scopes: [] }]))
  ).json as { clientId: string, clientSecret: string }
  const answer = await server.tokenRequest(made)
  t.strictSame([answer.status, Object.keys(answer.json).sort()], [200, ['access_token', 'expires_in', 'token_type']])
  t.strictSame(
    saidOf(answer),
    [
      `This token has no scope, and no route that requires one accepts it: the client ${made.clientId} has no scope ` +
      'for this resource; an operator grants scopes with latchkey client update',
    ]
  )
  t.strictSame(saidOf(await server.tokenRequest(await server.createClient({ organization }))), [])
  const options = { [oauth.allowInsecureRequests]: true }
  const as = { issuer, token_endpoint: `${url}/api/v1/auth/token` }
  const client = { client_id: made.clientId }
  const response = await oauth.clientCredentialsGrantRequest(
    as,
    client,
    oauth.ClientSecretBasic(made.clientSecret),
    {},
    options
  )
  t.match(
    await oauth.processClientCredentialsResponse(as, client, response),
    { token_type: 'bearer', expires_in: 3600 }
  )
})

tap.test('the command line says it on standard error, with --json too', async t => {
  const latchkey = async (...parameters: string[]) =>
    await run(
      process.execPath,
      [latchkeyCommand, ...parameters],
      { env: ownEnvironment({ LATCHKEY_DATA: server.folder, LATCHKEY_ADMIN_TOKEN: server.adminToken }) }
    )
  const shown = await latchkey('client', 'create', '--org', organization, '--name', 'empty')
  t.match(
    shown,
    {
      code: 0,
      stderr:
        /^The client (cli_\w+) has no scope yet, so its tokens are refused by every route that requires one: latchkey client update \1 --resource API --scope NAME\.\n$/
    }
  )
  t.notMatch(shown.stdout, 'no scope')
  const { code, stdout, stderr } = await latchkey('resource', 'create', 'http://cli.test', '--json')
  t.equal(code, 0)
  t.match(JSON.parse(stdout), { identifier: 'http://cli.test' })
  t.strictSame(
    stderr.trim().split('\n').map(line => line.split(' ').slice(0, 2).join(' ')),
    ['The resource', 'The identifier']
  )
  t.match(await latchkey('resource', 'create', 'https://cli.test', '--scope', 'a'), { code: 0, stderr: '' })
})

/** The caller's address in the headers of trusted proxies, in all their spellings (RFC 7239 §6). */
import tap from 'tap'
import { createClient } from '../../src/domain/credentials/client-change.ts'
import { readAddress } from '../../src/base/ip-address.ts'
import { startServer } from '../support/test-server.ts'

const server = await startServer({
  environment: { LATCHKEY_TRUST_PROXY: '127.0.0.0/8,10.0.0.0/8', LATCHKEY_LOG_LEVEL: 'info' }
})
const { issuer, send } = server
tap.teardown(server.close)
const { id: organization } = await server.createOrganization()
const path = '/api/v1/principal'

const spellings: [string, string | null][] = [
  ['203.0.113.7', '203.0.113.7'],
  ['203.0.113.7:51234', '203.0.113.7'],
  ['[2001:db8::7]:443', '2001:db8::7'],
  ['[2001:DB8::7]', '2001:db8::7'],
  ['2001:db8::7', '2001:db8::7'],
  ['[::ffff:203.0.113.7]:1', '203.0.113.7'],
  ['unknown', null],
  ['_hidden', null],
  ['203.0.113.7:', null],
  ['203.0.113.7:port', null],
  ['[203.0.113.7]:80', '203.0.113.7'],
  ['[fe80::1%eth0]:80', null],
  ['203.0.113.07', null],
  ['', null],
  ['[]', null],
  ['1.2.3.4:999999', null]
]

tap.test('Y5, N13: an address is read with or without its port, and what is none is none', async t => {
  for (const [text, address] of spellings) t.equal(readAddress(text), address, text)
})

tap.test('N1: the caller is the address without its port, for the allowlist and for a proxy behind a proxy', async t => {
  const { key } = await server.createKey({ organization, allowlist: ['203.0.113.7', '2001:db8::/32'] })
  const ask = async (forwarded: string, more: Record<string, string> = {}) =>
    await send({ path, headers: { 'x-api-key': key, 'x-forwarded-for': forwarded, ...more } })
  for (
    const forwarded of [
      '203.0.113.7', '203.0.113.7:51234', '[2001:db8::7]:443', '198.51.100.1, 203.0.113.7:51234',
      '203.0.113.7:4711, 10.0.0.2:8080', '203.0.113.7, [::ffff:10.1.2.3]:80'
    ]
  ) {
    t.equal((await ask(forwarded)).status, 200, forwarded)
  }
  for (
    const forwarded of [
      '203.0.113.8:51234', '203.0.113.7, 198.51.100.1:1', 'unknown', '203.0.113.7, unknown',
      '203.0.113.7, garbage:7, 10.0.0.2'
    ]
  ) {
    t.match((await ask(forwarded)).json, { details: { reason: 'ip_whitelist_mismatch' } }, forwarded)
  }
})

tap.test('N13: what cannot be told is audited as unknown and logged once, and a port is in neither', async t => {
  const ask = async (forwarded: string) =>
    await send({
      path: '/api/v1/organizations',
      headers: {
        authorization: `Bearer ${server.adminToken}`, 'x-forwarded-for': forwarded, 'content-type': 'application/json'
      },
      method: 'POST',
      body: { name: 'by proxy' }
    })
  const addressOf = async (id: string) =>
    (await server.admin('GET', `/audit?type=organization.created&subject=${id}`)).json.data[0].address
  t.equal(await addressOf((await ask('203.0.113.9:4711')).json.id), '203.0.113.9')
  t.equal(await addressOf((await ask('[2001:db8::9]:4711')).json.id), '2001:db8::9')
  t.equal(await addressOf((await ask('no address')).json.id), 'unknown')
  t.equal(server.lines.filter(line => line.includes('holds no IP address')).length, 1)
})

tap.test('N3: strangers of which the address cannot be told are counted by their proxy, not as one', async t => {
  const { clientId } = await server.createClient({ organization })
  const attempt = async (from: string, forwarded: string) => await send({
    method: 'POST',
    path: '/api/v1/auth/token',
    from,
    headers: { 'x-forwarded-for': forwarded },
    body: new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, client_secret: 'wrong' }),
  })
  let tries = 0
  while ((await attempt('127.0.0.2', `unknown-${tries}`)).status !== 429) {
    if (++tries > 100) return t.fail('nothing limits them')
  }
  t.equal((await attempt('127.0.0.3', 'unknown-1')).status, 401, 'behind another proxy')
  t.equal((await attempt('127.0.0.2', '203.0.113.77:1')).status, 401, 'with an address of its own')
  t.equal((await attempt('127.0.0.2', '203.0.113.77:2')).status, 401)
})

tap.test('N1: a proxy may spell the scheme as it likes', async t => {
  const secure = await startServer({
    issuer: 'https://auth.example.test', environment: { LATCHKEY_TRUST_PROXY: '127.0.0.0/8' }
  })
  t.teardown(secure.close)
  for (const scheme of ['https', 'HTTPS', 'Https', 'http, HTTPS']) {
    t.equal((await secure.send({ path, headers: { 'x-forwarded-proto': scheme } })).status, 401, scheme)
  }
  for (const scheme of ['http', 'HTTP', 'https, http', 'httpss', '']) {
    t.match(await secure.send({ path, headers: { 'x-forwarded-proto': scheme } }), {
      status: 403, json: { code: 'TLS_REQUIRED' }
    }, scheme)
  }
})

tap.test('I1: client_address at introspection may carry its port, too', async t => {
  const { client, secret } = await createClient(server.latchkey.operation, {
    organizationId: organization, name: 'api', grants: [], introspects: [issuer]
  })
  const { key } = await server.createKey({ organization, allowlist: ['203.0.113.7'] })
  const ask = async (address: string) =>
    (await send({
      method: 'POST',
      path: '/api/v1/oauth/introspect',
      body: new URLSearchParams({ token: key, client_address: address, client_id: client.id, client_secret: secret! })
    })).json
  t.equal((await ask('203.0.113.7:51234')).active, true)
  t.equal((await ask('203.0.113.8:51234')).active, false)
  t.equal((await ask('here:80')).error, 'invalid_request')
})

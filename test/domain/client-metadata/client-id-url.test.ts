/** Which texts are URLs of metadata documents, and which domains clients are taken from: decided by the text alone. */
import tap from 'tap'
import {
  isClientIdUrl, longestClientIdUrl, permitsHost, problemOfClientIdUrl
} from '../../../src/domain/client-metadata/client-id-url.ts'
import { fingerprintOf } from '../../../src/domain/client-metadata/fingerprint.ts'

tap.test('C1: these are client identifiers', async t => {
  const good = [
    'https://client.example/metadata.json', 'https://client.example/', 'https://a.b.client.example/x/y.json?v=1',
    'https://xn--bcher-kva.example/client', 'https://client.example/a%20b', 'https://client.example/..a/b..'
  ]
  for (const url of good) t.equal(problemOfClientIdUrl(url), null, url)
  t.strictSame(
    ['https://x', 'cli_abc', 'http://x', 'HTTPS://x', ' https://x', ''].map(isClientIdUrl),
    [true, false, false, false, false, false]
  )
})

tap.test('C1, C2: others are refused by their text, before anything is looked up', async t => {
  const bad: [string, RegExp][] = [
    ['http://client.example/m', /begin with https/], ['HTTPS://client.example/m', /begin with https/],
    [' https://client.example/m', /begin with https/], ['cli_abc', /begin with https/], ['', /begin with https/],
    ['https://client.example', /normal form/], ['https://client.example?x=1', /normal form/],
    ['https://client.example/m#', /fragment/], ['https://client.example/m#x', /fragment/],
    ['https://user@client.example/m', /user information/], ['https://u:p@client.example/m', /user information/],
    ['https://@client.example/m', /user information/], ['https://client.example/a/../m', /normal form/],
    ['https://client.example/./m', /normal form/], ['https://client.example/%2e%2e/m', /normal form/],
    ['https://client.example/.%2E/m', /normal form/], ['https://Client.example/m', /normal form/],
    ['https://client.example:443/m', /normal form/], ['https://client.example:8443/m', /has a port/],
    ['https://client.example:22/m', /has a port/], ['https://client%2eexample/m', /normal form/],
    ['https:///client.example/m', /normal form/], ['https://client.example\\@evil.example/m', /no URL has/],
    ['https://client.example/m\n', /no URL has/], ['https://client.example/\u00fc', /no URL has/],
    ['https://b\u00fccher.example/m', /no URL has/], ['https://client.example/m m', /no URL has/],
    ['https://client.example/"m', /no URL has/], ['https://127.0.0.1/m', /address/], ['https://[::1]/m', /address/],
    ['https://8.8.8.8/m', /address/], ['https://127.1/m', /normal form/], ['https://0x7f000001/m', /normal form/],
    ['https://2130706433/m', /normal form/], ['https://localhost/m', /full domain name/],
    ['https://intranet/m', /full domain name/], ['https://client.example./m', /full domain name/],
    ['https://', /not a URL/], ['https://%/m', /not a URL/],
    [`https://client.example/${'a'.repeat(longestClientIdUrl)}`, /more than 512/]
  ]
  for (const [url, problem] of bad) t.match(problemOfClientIdUrl(url), problem, JSON.stringify(url.slice(0, 50)))
})

tap.test('a domain is allowed and not denied: by its name, or as one below another', async t => {
  const cases: [string[], string[], string, boolean][] = [
    [['*'], [], 'client.example', true], [[], [], 'client.example', false],
    [['client.example'], [], 'client.example', true], [['client.example'], [], 'a.client.example', false],
    [['client.example'], [], 'evilclient.example', false], [['client.example'], [], 'client.example.evil', false],
    [['*.client.example'], [], 'a.client.example', true], [['*.client.example'], [], 'a.b.client.example', true],
    [['*.client.example'], [], 'client.example', false], [['*.client.example'], [], 'evilclient.example', false],
    [['*'], ['client.example'], 'client.example', false], [['*'], ['*.example'], 'client.example', false],
    [['client.example'], ['*'], 'client.example', false]
  ]
  for (const [allowed, denied, host, permitted] of cases) {
    t.equal(permitsHost({ allowed, denied }, host), permitted, `${allowed} but not ${denied}: ${host}`)
  }
})

tap.test('the fingerprint of a client is another one with its redirect URIs, its method and its own keys', async t => {
  const metadata = {
    redirect_uris: ['https://a.example/1', 'https://a.example/2'],
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [{ kid: '1' }] },
    client_name: 'A'
  }
  const same = [{ ...metadata, client_name: 'B' }, { ...metadata, redirect_uris: metadata.redirect_uris.toReversed() }]
  for (const each of same) t.equal(fingerprintOf(each), fingerprintOf(metadata))
  const others = [
    { ...metadata, redirect_uris: ['https://a.example/1'] }, { ...metadata, token_endpoint_auth_method: 'none' },
    { ...metadata, jwks: { keys: [{ kid: '2' }] } }, { ...metadata, jwks_uri: 'https://a.example/keys' }
  ]
  t.equal(new Set([metadata, ...others].map(fingerprintOf)).size, others.length + 1)
  const fetched = { ...metadata, jwks_uri: 'https://a.example/keys' }
  t.equal(fingerprintOf({ ...fetched, jwks: { keys: [] } }), fingerprintOf(fetched), 'keys that change by themselves')
})

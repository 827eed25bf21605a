/** Which redirect URIs a client can register, and which requested one is a registered one: the tricks of A1 to A3. */
import tap from 'tap'
import { wellKnownSchemes } from '../../../src/config/readers.ts'
import {
  inferredApplicationType, isRegisteredRedirectUri, longestRedirectUri, problemOfRedirectUri,
  type ApplicationType
} from '../../../src/domain/client-metadata/redirect-uri.ts'

const schemes = new Set(wellKnownSchemes)
const problemOf = (uri: string, type: ApplicationType = inferredApplicationType([uri])) =>
  problemOfRedirectUri(uri, type, schemes)

tap.test('A1, A2, A3: these can be registered', async t => {
  const web = [
    'https://app.example/cb', 'https://app.example', 'https://app.example:8443/cb?tenant=1',
    'https://app.example/a%20b',
    'https://xn--bcher-kva.example/cb', 'https://app.example/a.b/..c', 'https://192.0.2.1/cb'
  ]
  for (const uri of web) t.equal(problemOf(uri, 'web'), null, uri)
  const native = [
    ...web, 'http://localhost/cb', 'http://localhost:3000/cb', 'http://127.0.0.1/cb', 'http://127.0.0.1:65535/',
    'http://[::1]/cb', 'http://[::1]:7', 'com.example.app:/cb', 'com.example.app://cb', 'com.example.app:cb',
    'cursor://anysphere.cursor-mcp/oauth/callback', 'vscode://vendor.extension/cb', 'vscode-insiders://vendor.ext/cb'
  ]
  for (const uri of native) t.equal(problemOf(uri, 'native'), null, uri)
  t.equal(problemOf('http://localhost:3000/cb', 'web'), null, 'a web client in development, with exactly this port')
})

tap.test('A3: what could run a script, or is read in different ways, is dangerous for every client', async t => {
  const dangerous = [
    '', 'javascript:alert(1)', 'JaVaScRiPt:alert(1)//', 'java\tscript:alert(1)', ' javascript:alert(1)',
    'javascript\n:alert(1)', '\u0000javascript:alert(1)', 'data:text/html,x', 'DATA:text/html;base64,eA==',
    'vbscript:x',
    'file:///etc/passwd', 'blob:https://app.example/1', 'about:blank', 'view-source:https://app.example',
    'filesystem:https://app.example/x', 'intent://x#Intent;end', 'ws://app.example', 'ftp://app.example/',
    'https://user:pass@app.example/', 'https://user@app.example/', 'https://@app.example/', 'https://:@app.example/',
    'https://app.example@evil.example/cb', 'https://app.example\\@evil.example',
    'https://app.example\\.evil.example/',
    'https:\\\\app.example/cb', 'com.example.app://user@host/cb', '/relative', '//app.example/cb', 'app.example/cb',
    'https://', 'https://app.example/ cb', 'https://app.example/cb\r\nx', 'https://app.example/\u202ecb',
    'https://b\u00fccher.example/cb', 'https://app\uff0eexample/cb', 'https://app.example/\ud800', 'https://a<b>/cb',
    'https://app.example/"x', `https://app.example/${'a'.repeat(longestRedirectUri)}`
  ]
  for (const uri of dangerous) {
    for (const type of ['web', 'native'] as const) t.equal(problemOf(uri, type)?.kind, 'dangerous', uri.slice(0, 60))
  }
})

tap.test('A1, A2: what would be compared in another form than it is followed cannot be registered', async t => {
  const cases: [string, RegExp][] = [
    ['https://app.example/cb#', /fragment/], ['https://app.example/cb#x', /fragment/],
    ['com.example.app:/cb#x', /fragment/], ['https://*.app.example/cb', /wildcard/],
    ['https://app.example/*', /wildcard/], ['http://127.0.0.1:*/cb', /wildcard|URI/],
    ['HTTPS://app.example/cb', /write https:\/\/app\.example\/cb/], ['https://App.example/cb', /normal form/],
    ['https://app.example:443/cb', /normal form/], ['https://app.example:0443/cb', /normal form/],
    ['https://app.example:/cb', /normal form/], ['https://app.example/a/../cb', /normal form/],
    ['https://app.example/./cb', /normal form/], ['https://app.example/%2e%2E/cb', /normal form/],
    ['https://app.example/.%2e/cb', /normal form/], ['https://app.%65xample/cb', /normal form/],
    ['https:app.example/cb', /normal form/], ['https:///app.example/cb', /normal form/],
    ['https://app.example?x=1', /normal form/], ['https://0x7f.1/cb', /normal form/],
    ['https://app.example./cb', /ends with a dot/], ['http://127.1/cb', /normal form/],
    ['http://0x7f.1/cb', /normal form/], ['http://2130706433/cb', /normal form/], ['http://0177.0.0.1/', /normal form/],
    ['http://[0:0:0:0:0:0:0:1]/cb', /normal form/], ['http://LOCALHOST/cb', /normal form/],
    ['http://localhost:80/cb', /normal form/], ['http://localhost./cb', /ends with a dot/],
    ['http://app.example/cb', /use https/], ['http://localhost.evil.example/cb', /use https/],
    ['http://127.0.0.1.evil.example/cb', /use https/], ['http://127.0.0.2/cb', /use https/],
    ['http://[::ffff:7f00:1]/cb', /use https/], ['http://0.0.0.0/cb', /use https/], ['http://[::]/cb', /use https/],
    ['myapp://callback', /reversed domain name/], ['cursor-evil://x', /reversed domain name/],
    ['Cursor://anysphere.cursor-mcp/oauth/callback', /normal form/], ['https://localhost/cb', /use http$/]
  ]
  for (const [uri, problem] of cases) {
    const found = problemOf(uri, 'native')
    t.match(found?.problem, problem, uri)
    if (uri !== 'http://127.0.0.1:*/cb') t.equal(found?.kind, 'unsupported', uri)
  }
  for (const uri of ['com.example.app:/cb', 'cursor://anysphere.cursor-mcp/oauth/callback']) {
    t.match(problemOf(uri, 'web')?.problem, /application_type native/, uri)
  }
  t.match(problemOfRedirectUri('cursor://x/cb', 'native', new Set())?.problem, /reversed domain name/)
})

tap.test('A1: a requested redirect URI is the registered text and nothing like it', async t => {
  const registered = ['https://app.example/cb', 'https://app.example:8443/cb', 'com.example.app:/cb', 'cursor://x/cb']
  for (const type of ['web', 'native'] as const) {
    for (const uri of registered) t.equal(isRegisteredRedirectUri(uri, registered, type), true, uri)
    const tricks = [
      '', 'https://app.example', 'https://app.example/', 'https://app.example/cb/', 'https://app.example/cb?',
      'https://app.example/cb?x=1', 'https://app.example/cb#', 'https://app.example/cb#x', 'https://app.example/cb;x',
      'https://app.example/CB', 'https://APP.example/cb', 'HTTPS://app.example/cb', 'http://app.example/cb',
      'https://app.example:443/cb', 'https://app.example:8444/cb', 'https://app.example./cb',
      'https://app.example/x/../cb', 'https://app.example/./cb', 'https://app.example/%63b',
      'https://app.example/cb%00',
      'https://app.example/cb%2f..', 'https://app.example//cb', 'https://user@app.example/cb',
      'https://@app.example/cb',
      'https://app.example@evil.example/cb', 'https://app.example.evil.example/cb', 'https://evil.example/cb',
      'https://evil.example/https://app.example/cb', 'https://app.example\\@evil.example/cb',
      ' https://app.example/cb',
      'https://app.example/cb ', 'https://app.example/cb\n', '\thttps://app.example/cb', 'https:app.example/cb',
      '//app.example/cb', 'https://app%2eexample/cb', 'https://\u0430pp.example/cb', 'https://app\u3002example/cb',
      'com.example.app:/cb/', 'com.example.app://cb', 'com.example.app:/cb?x', 'COM.example.app:/cb', 'cursor://y/cb',
      'javascript:alert(1)', 'https://app.example/cb,https://evil.example/cb'
    ]
    for (const uri of tricks) t.equal(isRegisteredRedirectUri(uri, registered, type), false, JSON.stringify(uri))
  }
})

tap.test('A2, RFC 8252 §7.3: the port of loopback varies for native clients, and nothing else does', async t => {
  const registered = ['http://127.0.0.1/cb', 'http://[::1]:7/cb', 'http://localhost:3000/cb?x=1', 'http://localhost']
  const taken = [
    'http://127.0.0.1/cb', 'http://127.0.0.1:0/cb', 'http://127.0.0.1:1/cb', 'http://127.0.0.1:65535/cb',
    'http://[::1]/cb', 'http://[::1]:51004/cb', 'http://localhost:9/cb?x=1', 'http://localhost:4'
  ]
  for (const uri of taken) t.equal(isRegisteredRedirectUri(uri, registered, 'native'), true, uri)
  const refused = [
    'http://127.0.0.1:65536/cb', 'http://127.0.0.1:/cb', 'http://127.0.0.1:1', 'http://127.0.0.1:1/',
    'http://127.0.0.1:1/cb/', 'http://127.0.0.1:1/CB', 'http://127.0.0.1:1/cb?x', 'http://127.0.0.1:1/cb#x',
    'http://127.0.0.1:1/x/../cb', 'http://127.0.0.1:1@evil.example/cb', 'http://127.0.0.1@evil.example:1/cb',
    'http://127.0.0.1.evil.example:1/cb', 'http://127.0.0.1evil:1/cb', 'http://localhost.evil.example:1/cb?x=1',
    'http://127.1:1/cb', 'http://0x7f.1:1/cb', 'http://127.0.0.2:1/cb', 'http://0.0.0.0:1/cb', 'http://[::]:1/cb',
    'http://[::ffff:7f00:1]:1/cb', 'http://[0:0:0:0:0:0:0:1]:1/cb', 'https://127.0.0.1:1/cb', 'HTTP://127.0.0.1:1/cb',
    'http://LOCALHOST:1/cb?x=1', 'http://localhost:1/cb', 'http://127.0.0.1: 1/cb', 'http://127.0.0.1:1\\cb',
    'http://127.0.0.1:+1/cb', 'http://127.0.0.1:1:2/cb', 'http://localhost:1/'
  ]
  for (const uri of refused) t.equal(isRegisteredRedirectUri(uri, registered, 'native'), false, uri)
  for (const uri of ['http://127.0.0.1:1/cb', 'http://[::1]/cb', 'http://localhost:1/cb?x=1']) {
    t.equal(isRegisteredRedirectUri(uri, registered, 'web'), false, `a web client: ${uri}`)
  }
  t.equal(isRegisteredRedirectUri('https://app.example:1/cb', ['https://app.example/cb'], 'native'), false, 'https')
})

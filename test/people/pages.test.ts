/** The pages themselves: their headers, what they escape, and what they say when something is wrong. */
import tap from 'tap'
import { createMember, createPerson, fromOwnPages, signIn } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'

const server = await startServer()
const secure = await startServer({ issuer: 'https://auth.example.test', trustProxy: '127.0.0.1' })
tap.teardown(async () => { await Promise.all([server.close(), secure.close()]) })

const pages = ['/', '/api/v1/auth/login', '/api/v1/auth/link', '/api/v1/auth/signed-out']
const accept = 'text/html,application/xhtml+xml'
const policy = 'default-src \'none\'; style-src \'self\'; script-src \'self\'; font-src \'self\'; img-src \'self\'; ' +
  'connect-src \'self\'; form-action \'self\'; base-uri \'none\'; frame-ancestors \'none\''

tap.test('A11: every page has the headers that keep it to itself, and nothing inline', async t => {
  const ada = await createPerson(server)
  const answers = await Promise.all([
    ...pages.map(path => server.send({ path, headers: { accept } })),
    server.send({ path: '/api/v1/auth/login', headers: { accept, cookie: ada.cookie } }),
    server.send({ method: 'POST', path: '/api/v1/auth/link', headers: { accept, 'sec-fetch-site': 'cross-site' } }),
    server.send({ method: 'POST', path: '/api/v1/auth/organization', headers: { accept, ...fromOwnPages } })
  ])
  t.strictSame(answers.map(({ status }) => status), [200, 200, 200, 200, 200, 403, 401])
  for (const { headers, text } of answers) {
    t.match(headers, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy,
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'cache-control': 'no-store'
    })
    t.notOk(headers['access-control-allow-origin'], 'N4')
    t.notMatch(text, /<style|<script(?! src="\/assets\/)|\sstyle=|\son\w+=|javascript:|https?:\/\/(?!127\.0\.0\.1)/)
    t.match(text, /^<!doctype html>\n<html lang="en">/)
    t.match(text, /<main id="content"/)
  }
})

tap.test('the files of pages are served by this server', async t => {
  for (const [name, type] of Object.entries({
    'pages.css': 'text/css; charset=utf-8',
    'link.js': 'text/javascript; charset=utf-8',
    'mark.svg': 'image/svg+xml',
    'inter.woff2': 'font/woff2',
    'jetbrains-mono.woff2': 'font/woff2'
  })) {
    const { status, headers } = await server.send({ path: `/assets/${name}` })
    t.equal(status, 200)
    t.equal(headers['content-type'], type)
    t.equal(headers['x-content-type-options'], 'nosniff')
  }
  t.equal((await server.send({ path: '/assets/../package.json' })).status, 404)
})

tap.test('styles and scripts are compressed for browsers that take it, and for no others', async t => {
  const path = '/assets/pages.css'
  const plain = await server.send({ path })
  t.notOk(plain.headers['content-encoding'])
  t.equal(plain.headers.vary, 'accept-encoding')
  for (const encodings of ['gzip', 'gzip, deflate, br, zstd', 'br;q=1.0, GZIP;q=0.8']) {
    const response = await fetch(server.issuer + path, { headers: { 'accept-encoding': encodings } })
    t.equal(response.headers.get('content-encoding'), 'gzip', encodings)
    t.equal(await response.text(), plain.text)
  }
  for (const encodings of ['identity', 'gzip;q=0', 'br', '']) {
    const { headers } = await server.send({ path, headers: { 'accept-encoding': encodings } })
    t.notOk(headers['content-encoding'], encodings)
  }
})

tap.test('fonts come from this server: one is asked for ahead of the styles, and browsers keep both for a year', async t => {
  const styles = (await server.send({ path: '/assets/pages.css' })).text
  const urls = [...styles.matchAll(/font-display: swap;\n {2}src: url\("([^"]+)"\)/g)].map(found => found[1]!)
  t.match(urls, [/^\/assets\/inter\.woff2\?[\w-]{8}$/, /^\/assets\/jetbrains-mono\.woff2\?[\w-]{8}$/])
  t.equal(styles.match(/url\(/g)!.length, urls.length, 'nothing else is loaded')
  t.match((await server.send({ path: '/', headers: { accept } })).text,
    `<link rel="preload" href="${urls[0]}" as="font" type="font/woff2" crossorigin>`)
  for (const path of urls) {
    const { status, headers, text } = await server.send({ path })
    t.equal(status, 200)
    t.equal(headers['cache-control'], 'public, max-age=31536000, immutable')
    t.equal(text.slice(0, 4), 'wOF2')
    t.ok(Number(headers['content-length']) < 50_000, 'the Latin letters alone')
  }
})

tap.test('what people chose is text on a page', async t => {
  const organization = (await server.createOrganization('<b>Acme</b> & "Co"')).id
  const ada = await createMember(server, { organization, name: '<img src=x onerror=alert(1)>' })
  const { cookie } = await signIn(server, ada.id)
  const { text } = await server.send({ path: '/api/v1/auth/login', headers: { accept, cookie } })
  t.match(text, '&#60;img src&#61;x onerror&#61;alert(1)&#62;')
  t.match(text, '&#60;b&#62;Acme&#60;/b&#62; &#38; &#34;Co&#34;')
  const evil = await server.send({ path: '/api/v1/auth/login?return_to=%22%3E%3Cscript%3E', headers: { accept } })
  t.notMatch(evil.text, '"><script>')
})

tap.test('errors are pages for browsers and bodies of the API for programs, with the same code', async t => {
  const post = (path: string, headers: Record<string, string>, body?: URLSearchParams | string) =>
    server.send({ method: 'POST', path: `/api/v1/auth/${path}`, headers, ...(body === undefined ? {} : { body }) })
  const token = new URLSearchParams({ token: 'lksil_no' })
  const page = await post('link', { accept, ...fromOwnPages }, token)
  t.equal(page.status, 400)
  t.match(page.text, /role="alert">This sign-in link is not valid/)
  t.match(page.text, /<form method="post"/, 'with the form, to try another one')
  t.equal((await post('link', fromOwnPages, token)).json.code, 'INVALID_SIGN_IN_LINK')
  for (const body of ['', 'token=', 'token=a&token=b', 'other=1']) {
    const { status, json } = await post('link', {
      ...fromOwnPages, 'content-type': 'application/x-www-form-urlencoded'
    }, body)
    t.strictSame([status, json.code], [400, 'INVALID_REQUEST'], body)
  }
  const plain = await post('link', { ...fromOwnPages, 'content-type': 'text/plain' }, 'token=a')
  t.strictSame([plain.status, plain.json.code], [415, 'UNSUPPORTED_MEDIA_TYPE'])
  const long = await post('link', fromOwnPages, new URLSearchParams({ token: 'a'.repeat(10_000) }))
  t.equal(long.status, 413)
  const nobody = await post('logout', fromOwnPages)
  t.equal(nobody.status, 204, 'signing out twice is no error')
})

tap.test('the page of a signed-in person offers the other organizations of the identity, and changes to one', async t => {
  const a = await createMember(server)
  const b = await createMember(server, { role: 'viewer' })
  const elsewhere = await createMember(server)
  const { store, clock } = server.latchkey.operation
  const identityId = 'idn_test'
  await store.identities.insert({ id: identityId, provider: 'corp', subject: 'ada', createdAt: clock() })
  for (const { id: memberId, organization: organizationId } of [a, b]) {
    await store.identities.link({ identityId, organizationId, memberId, createdAt: clock() })
  }
  const trust = async (organizationId: string) => {
    await store.trustedProviders.insert({
      id: `trp_${organizationId}`,
      organizationId,
      provider: 'corp',
      joinsAs: null,
      groupsClaim: 'groups',
      groupMapping: [],
      createdBy: 'admin',
      createdAt: clock(),
      revision: 1
    })
  }
  await trust(a.organization)
  const { cookie } = await signIn(server, a.id, { identityId, provider: 'corp', amr: ['pwd'] })
  const change = (organization: string, cookieNow = cookie) => server.send({
    method: 'POST',
    path: '/api/v1/auth/organization',
    headers: { accept, cookie: cookieNow, ...fromOwnPages },
    body: new URLSearchParams({ organization })
  })
  const { text } = await server.send({ path: '/api/v1/auth/login', headers: { accept, cookie } })
  t.match(text, `value="${b.organization}"`)
  t.equal((await change(elsewhere.organization)).status, 404)
  t.equal((await change(b.organization)).status, 403, 'it does not let that provider vouch')
  await trust(b.organization)
  const changed = await change(b.organization)
  t.equal(changed.status, 303)
  const next = changed.headers['set-cookie']![0]!.split(';', 1)[0]!
  t.not(next, cookie, 'another session')
  const me = (given: string) => server.send({ path: '/api/v1/auth/me', headers: { cookie: given } })
  t.equal((await me(cookie)).status, 401)
  const { json } = await me(next)
  t.match(json, { member: { id: b.id, role: 'viewer' }, session: { provider: 'corp', amr: ['pwd'] } })
  t.strictSame(json.organizations.map(({ id }: { id: string }) => id), [b.organization, a.organization])
  const byLink = await signIn(server, a.id)
  t.equal((await change(b.organization, byLink.cookie)).status, 404, 'a link proves one member alone')
})

tap.test('N2: with an https issuer the cookie is for TLS alone, and a page over http is refused', async t => {
  const { id } = await createMember({
    ...secure,
    admin: (method, path, body) => secure.send({
      method,
      path: `/api/v1${path}`,
      headers: { authorization: `Bearer ${secure.adminToken}`, 'x-forwarded-proto': 'https' },
      ...(body === undefined ? {} : { body })
    }),
    createOrganization: async () => ({ id: 'org_operators', name: '' })
  })
  const overTls = { 'x-forwarded-proto': 'https' }
  const link = await secure.send({
    method: 'POST',
    path: `/api/v1/members/${id}/sign-in-links`,
    headers: { authorization: `Bearer ${secure.adminToken}`, ...overTls }
  })
  t.match(link.json.url, /^https:\/\/auth\.example\.test\/api\/v1\/auth\/link#/)
  const opened = await secure.send({
    method: 'POST',
    path: '/api/v1/auth/link',
    headers: { ...overTls, ...fromOwnPages },
    body: new URLSearchParams({ token: link.json.url })
  })
  t.match(
    opened.headers['set-cookie']![0],
    /^__Host-latchkey_session=lkpse_[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Lax; Secure$/
  )
  for (const path of pages) {
    const plain = await secure.send({ path, headers: { accept } })
    t.equal(plain.status, 403)
    t.match(plain.text, /HTTPS is required/)
    t.equal(plain.headers['content-type'], 'text/html; charset=utf-8')
    const good = await secure.send({ path, headers: { accept, ...overTls } })
    t.equal(good.status, 200)
    t.match(good.headers['strict-transport-security'], /max-age=31536000/)
  }
})

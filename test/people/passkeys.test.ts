/** Passkeys, as the script of the pages uses them: added, used, removed; and what is refused. */
import tap from 'tap'
import { newAuthenticator } from '../support/authenticator.ts'
import { asPerson, createMember, createPerson, fromOwnPages, signIn } from '../support/people.ts'
import { startOnEachDatabase, type Answer, type Json, type TestServer } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

const issuer = 'http://localhost:4000'
const started = await startOnEachDatabase({ issuer })
tap.teardown(started.close)

type Authenticator = ReturnType<typeof newAuthenticator>
type Session = { cookie: string }

const path = '/auth/passkeys'
const refused = {
  error: 'The passkey was not accepted. Try again, or sign in in another way.', code: 'INVALID_PASSKEY'
}

async function add (
  server: TestServer, session: Session, authenticator: Authenticator, name = 'Laptop'
): Promise<Answer> {
  const call = asPerson(server, session)
  const options = await call('POST', `${path}/options`, {})
  if (options.status !== 200) return options
  return await call('POST', path, { name, credential: authenticator.create(options.json as never) })
}

/** A browser that signs in: the cookie that it was given, and the options. */
async function beginSignIn (
  server: TestServer, cookie = ''
): Promise<{ cookie: string, options: { challenge: string } }> {
  const answer = await server.send({
    method: 'POST', path: `/api/v1${path}/sign-in/options`, headers: { ...fromOwnPages, cookie }, body: {}
  })
  return { cookie: answer.headers['set-cookie']![0]!.split(';', 1)[0]!, options: answer.json as never }
}

function endSignIn (server: TestServer, cookie: string, credential: Json | string): Promise<Answer> {
  const body = typeof credential === 'string' ? credential : { credential }
  const headers: Record<string, string> = { ...fromOwnPages, cookie, 'content-type': 'application/json' }
  return server.send({ method: 'POST', path: `/api/v1${path}/sign-in`, headers, body })
}

async function signInWith (
  server: TestServer, authenticator: Authenticator, more: Parameters<Authenticator['get']>[1] = {},
  key = authenticator.keys.at(-1)
): Promise<Answer> {
  const { cookie, options } = await beginSignIn(server)
  return await endSignIn(server, cookie, authenticator.get(options, more, key))
}

function sessionOf ({ headers }: Answer): Session {
  return { cookie: headers['set-cookie']!.find(each => each.startsWith('latchkey_session='))!.split(';', 1)[0]! }
}

async function idOfPasskey (server: TestServer, memberId: string, at = 0): Promise<string> {
  return (await server.admin('GET', `/members/${memberId}/passkeys`)).json.data[at].id
}

/** The attestation that nobody asked for: `packed`, with a certificate. */
function withCertificate (none: Buffer): Buffer {
  const before = '63666d74646e6f6e656761747453746d74a0'
  const after = '63666d74667061636b65646761747453746d74a163783563814100'
  return Buffer.from(none.toString('hex').replace(before, after), 'hex')
}

for (const { name, server } of started.servers) {
  tap.test(`[${name}] a passkey is added to a new session, and signs its member in without a name`, async t => {
    const ada = await createPerson(server, { email: 'ada@example.com' })
    const authenticator = newAuthenticator(issuer)
    const options = await asPerson(server, ada)('POST', `${path}/options`, {})
    t.match(options.json, {
      rp: { id: 'localhost', name: 'Latchkey' },
      user: { name: 'ada@example.com', displayName: 'Ada', id: /^[\w-]{43}$/ },
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      attestation: 'none',
      excludeCredentials: []
    })
    const added = await add(server, ada, authenticator)
    t.equal(added.status, 201, added.text)
    t.strictSame(added.json, { location: '/api/v1/auth/passkeys' })
    const begun = await beginSignIn(server)
    t.notOk('allowCredentials' in begun.options, 'whoever asks learns of nobody')
    const answer = await endSignIn(server, begun.cookie, authenticator.get(begun.options))
    t.equal(answer.status, 200, answer.text)
    t.strictSame(answer.json, { location: '/api/v1/auth/login' })
    const me = await asPerson(server, sessionOf(answer))('GET', '/auth/me')
    t.equal(me.json.member.id, ada.id)
    t.strictSame(me.json.session.amr, ['pop', 'user', 'mfa'])
    const { json } = await server.admin('GET', `/audit?organization=${ada.organization}&type=passkey.`)
    t.strictSame(json.data.map(({ type }: Json) => type), ['passkey.used', 'passkey.added'])
    const again = await asPerson(server, ada)('POST', `${path}/options`, {})
    t.equal(again.json.excludeCredentials.length, 1, 'no second one on the same device')
  })

  tap.test(`[${name}] one is added within ten minutes after a sign-in, and by nobody that a key vouched for`, async t => {
    const member = await createMember(server)
    const authenticator = newAuthenticator(issuer)
    const vouched = await signIn(server, member.id, { vouchedBy: 'mat_none' })
    t.equal((await add(server, vouched, authenticator)).status, 401, 'the key is gone, and so is the session')
    const { json: { id } } = await server.admin('POST', '/access-tokens', { name: 'portal', scopes: ['members:read'] })
    const alive = await add(server, await signIn(server, member.id, { vouchedBy: id }), authenticator)
    t.equal(alive.status, 403, alive.text)
    t.equal(alive.json.code, 'INSUFFICIENT_PERMISSIONS')
    const now = server.clock.now().getTime()
    const old = await signIn(server, member.id, { authenticatedAt: new Date(now - 600_000) })
    const late = await add(server, old, authenticator)
    t.equal(late.status, 401)
    t.equal(late.json.code, 'REAUTHENTICATION_REQUIRED')
    t.equal((await add(server, await signIn(server, member.id), authenticator)).status, 201)
    const page = await server.send({ path: `/api/v1${path}`, headers: { ...old, accept: 'text/html' } as never })
    t.notMatch(page.text, /data-passkey="create"/)
    t.equal((await server.send({ path: `/api/v1${path}` })).status, 401)
  })

  tap.test(`[${name}] refused at registration: another origin, rp or session, no verification, a replay`, async t => {
    const ada = await createPerson(server)
    const eve = await createPerson(server)
    const authenticator = newAuthenticator(issuer)
    const call = asPerson(server, ada)
    const options = async () => (await call('POST', `${path}/options`, {})).json as never
    for (const traits of [
      { origin: 'http://localhost:4001' }, { origin: 'http://localhost:4000.evil.test' }, { rpId: 'evil.test' },
      { verifies: false }, { crossOrigin: true }
    ]) {
      const answer = await call('POST', path, { name: 'x', credential: authenticator.create(await options(), traits) })
      t.equal(answer.status, 400, JSON.stringify(traits))
      t.strictSame(answer.json, refused)
    }
    const forEve = (await asPerson(server, eve)('POST', `${path}/options`, {})).json
    const stolen = await call('POST', path, { name: 'x', credential: authenticator.create(forEve as never) })
    t.strictSame(stolen.json, refused, 'the challenge of another session')
    const { options: signInOptions } = await beginSignIn(server)
    const other = authenticator.create({ ...signInOptions, user: { id: 'AAAA' } })
    const mixed = await call('POST', path, { name: 'x', credential: other })
    t.strictSame(mixed.json, refused, 'the challenge of a sign-in')
    const credential = authenticator.create(await options())
    t.equal((await call('POST', path, { name: 'x', credential })).status, 201)
    t.strictSame((await call('POST', path, { name: 'x', credential })).json, refused, 'used before')
    const late = authenticator.create(await options())
    server.clock.advance(300)
    t.strictSame((await call('POST', path, { name: 'x', credential: late })).json, refused, 'after five minutes')
    t.equal((await server.admin('GET', `/members/${ada.id}/passkeys`)).json.data.length, 1)
  })

  const wrongs = 'another origin, rp or browser, no verification, a replay, a counter that goes back, a removed passkey'
  tap.test(`[${name}] refused at sign-in, with one sentence: ${wrongs}`, async t => {
    const ada = await createPerson(server)
    const authenticator = newAuthenticator(issuer, { step: 1 })
    t.equal((await add(server, ada, authenticator)).status, 201)
    t.equal((await signInWith(server, authenticator)).status, 200)
    const wrong = async (what: string, answer: Answer) => {
      t.equal(answer.status, 400, what)
      t.strictSame(answer.json, refused, what)
      t.notOk(answer.headers['set-cookie'], what)
    }
    for (const traits of [
      { origin: 'http://localhost:4001' }, { origin: 'https://localhost:4000' }, { rpId: 'evil.test' },
      { verifies: false }, { crossOrigin: true }
    ]) await wrong(JSON.stringify(traits), await signInWith(server, authenticator, traits))
    const { cookie, options } = await beginSignIn(server)
    const assertion = authenticator.get(options)
    const key = authenticator.keys[0]!
    const reached = key.counter
    await wrong('another browser', await endSignIn(server, (await beginSignIn(server)).cookie, assertion))
    await wrong('no browser', await endSignIn(server, '', authenticator.get((await beginSignIn(server)).options)))
    t.equal((await endSignIn(server, cookie, assertion)).status, 200, 'another browser burns nothing')
    await wrong('used before', await endSignIn(server, cookie, assertion))
    key.counter = reached
    await wrong('the counter stands', await signInWith(server, authenticator, { step: 0 }))
    key.counter = reached - 2
    await wrong('the counter goes back', await signInWith(server, authenticator))
    key.counter = reached
    t.equal((await signInWith(server, authenticator)).status, 200, 'the right one goes on')
    const { cookie: late, options: asked } = await beginSignIn(server)
    server.clock.advance(300)
    await wrong('after five minutes', await endSignIn(server, late, authenticator.get(asked)))
    const stranger = newAuthenticator(issuer)
    stranger.create({ challenge: 'AAAA', user: { id: key.handle } })
    await wrong('unknown', await signInWith(server, stranger))
    await wrong('another handle', await signInWith(server, authenticator, {}, { ...key, handle: 'AAAA' }))
    const target = `/members/${ada.id}/passkeys/${await idOfPasskey(server, ada.id)}`
    t.equal((await server.admin('DELETE', target)).status, 204)
    await wrong('removed', await signInWith(server, authenticator))
  })

  tap.test(`[${name}] cut, doubled and foreign JSON is refused before anything is read from it`, async t => {
    const ada = await createPerson(server)
    const authenticator = newAuthenticator(issuer)
    await add(server, ada, authenticator)
    const { cookie, options } = await beginSignIn(server)
    const credential = authenticator.get(options)
    const text = JSON.stringify({ credential })
    const bad = [
      text.slice(0, -1), text + text, '[]', '{}', 'null', '{"credential":null}', JSON.stringify({ credential: [] }),
      JSON.stringify({ credential: { ...credential, id: [credential.id, credential.id] } }),
      JSON.stringify({ credential: { ...credential, type: 'password' } }),
      JSON.stringify({ credential: { ...credential, response: { ...credential.response, userHandle: null } } })
    ]
    for (const body of bad) {
      const answer = await endSignIn(server, cookie, body)
      t.equal(answer.status, 400, body.slice(0, 60))
      t.equal(answer.json.code, 'INVALID_REQUEST')
    }
    const parts = credential.response
    for (const response of [
      { ...parts, clientDataJSON: Buffer.from('{"challenge":').toString('base64url') },
      { ...parts, clientDataJSON: Buffer.from('null').toString('base64url') },
      { ...parts, clientDataJSON: Buffer.from('{"challenge":["a","b"]}').toString('base64url') },
      { ...parts, clientDataJSON: Buffer.from('{"challenge":"eA"}').toString('base64url') }
    ]) t.strictSame((await endSignIn(server, cookie, { ...credential, response })).json, refused)
    const form = await server.send({
      method: 'POST',
      path: `/api/v1${path}/sign-in`,
      headers: { ...fromOwnPages, cookie, accept: 'text/html' },
      body: new URLSearchParams({ return_to: '/x' })
    })
    t.equal(form.status, 415)
    t.match(form.text, /Passkeys need JavaScript/)
    t.equal((await server.send({
      method: 'POST',
      path: `/api/v1${path}/sign-in`,
      headers: { cookie, 'sec-fetch-site': 'cross-site' },
      body: { credential }
    })).json.code, 'CROSS_SITE_REQUEST')
    t.equal((await endSignIn(server, cookie, credential)).status, 200, 'none of them has used the challenge up')
    const call = asPerson(server, ada)
    for (const spoil of [
      (bytes: Buffer) => bytes.subarray(0, 60), () => Buffer.from('ff', 'hex'), withCertificate
    ]) {
      const asked = (await call('POST', `${path}/options`, {})).json
      const { response, ...rest } = authenticator.create(asked as never)
      const attestationObject = spoil(Buffer.from(response.attestationObject, 'base64url')).toString('base64url')
      const credential = { ...rest, response: { ...response, attestationObject } }
      const answer = await call('POST', path, { name: 'x', credential })
      t.strictSame(answer.json, refused, spoil.name)
    }
    const log = `/audit?organization=${ada.organization}&type=passkey.refused`
    const reasons = await eventually(
      async () => (await server.admin('GET', log)).json.data.map(({ detail }: Json) => detail.reason),
      all => all.length === 3
    )
    t.ok(reasons.includes('it brings an attestation that was not asked for'), reasons)
  })

  tap.test(`[${name}] of 20 sign-ins with one assertion at once, one succeeds`, async t => {
    const ada = await createPerson(server)
    const authenticator = newAuthenticator(issuer)
    await add(server, ada, authenticator)
    const { cookie, options } = await beginSignIn(server)
    const assertion = authenticator.get(options)
    const answers = await Promise.all(Array.from({ length: 20 }, () => endSignIn(server, cookie, assertion)))
    t.equal(answers.filter(({ status }) => status === 200).length, 1)
  })

  tap.test(`[${name}] the last way in stays; another is renamed and removed`, async t => {
    const ada = await createPerson(server)
    const eve = await createPerson(server)
    const authenticator = newAuthenticator(issuer)
    await add(server, ada, authenticator, 'Laptop')
    const call = asPerson(server, ada)
    const first = await idOfPasskey(server, ada.id)
    const last = await call('POST', `${path}/${first}/remove`)
    t.equal(last.status, 409)
    t.strictSame(last.json, {
      error: 'This is the last way to sign in; add a passkey or another account first.', code: 'LAST_WAY_IN'
    })
    await add(server, ada, authenticator, 'Phone')
    t.equal((await asPerson(server, eve)('POST', `${path}/${first}/remove`)).status, 404, 'of somebody else')
    t.equal((await asPerson(server, eve)('POST', `${path}/${first}/name`, { name: 'x' })).status, 404)
    t.equal((await call('POST', `${path}/${first}/name`, { name: '<b>Work</b>' })).status, 204)
    const page = await call('GET', path, undefined, { accept: 'text/html' })
    t.match(page.text, /&#60;b&#62;Work|&lt;b&gt;Work/)
    t.notMatch(page.text, /<b>/)
    const form = await call('POST', `${path}/${first}/remove`, undefined, { accept: 'text/html' })
    t.equal(form.status, 303)
    t.equal(form.headers.location, '/api/v1/auth/passkeys')
    const { json: { data } } = await server.admin('GET', `/members/${ada.id}/passkeys`)
    t.strictSame(data.map((each: Json) => each.name), ['Phone'])
    t.equal((await signInWith(server, authenticator, {}, authenticator.keys[0])).status, 400)
    t.equal((await signInWith(server, authenticator)).status, 200)
  })

  tap.test(`[${name}] an administrator's link recovers a lost passkey, and ends the other sessions`, async t => {
    const ada = await createPerson(server)
    const authenticator = newAuthenticator(issuer)
    await add(server, ada, authenticator)
    const stolen = sessionOf(await signInWith(server, authenticator))
    const id = await idOfPasskey(server, ada.id)
    const { json: { url } } = await server.admin('POST', `/members/${ada.id}/sign-in-links`)
    const body = new URLSearchParams({ token: url })
    const answer = await server.send({ method: 'POST', path: '/api/v1/auth/link', headers: fromOwnPages, body })
    const session = sessionOf(answer)
    for (const other of [ada, stolen]) t.equal((await asPerson(server, other)('GET', '/auth/me')).status, 401)
    t.equal((await add(server, session, authenticator, 'New')).status, 201)
    const { json } = await server.admin('GET', `/audit?organization=${ada.organization}&type=sign_in_link.used`)
    t.match(json.data[0].detail, { recovered: true, sessionsEnded: 2, createdBy: 'admin' })
    t.equal((await asPerson(server, session)('POST', `${path}/${id}/remove`)).status, 204, 'they remove the lost one')
    t.equal((await signInWith(server, authenticator, {}, authenticator.keys[0])).status, 400)
    t.equal((await signInWith(server, authenticator)).status, 200)
  })

  tap.test(`[${name}] an administrator sees and removes passkeys of members below, which ends their sessions`, async t => {
    const owner = await createPerson(server)
    const admin = await createPerson(server, { organization: owner.organization, role: 'admin' })
    const viewer = await createPerson(server, { organization: owner.organization, role: 'viewer' })
    const stranger = await createPerson(server)
    const [ofOwner, ofViewer] = [newAuthenticator(issuer), newAuthenticator(issuer)]
    await add(server, owner, ofOwner)
    await add(server, viewer, ofViewer)
    const listed = await asPerson(server, admin)('GET', `/members/${viewer.id}/passkeys`)
    t.match(listed.json, { data: [{ id: /^pky_/, name: 'Laptop', backedUp: false, lastUsedAt: null }] })
    t.strictSame(Object.keys(listed.json.data[0]), ['id', 'name', 'backedUp', 'createdAt', 'lastUsedAt'])
    const target = `/members/${viewer.id}/passkeys/${await idOfPasskey(server, viewer.id)}`
    t.equal((await asPerson(server, stranger)('DELETE', target)).status, 404)
    t.equal((await asPerson(server, viewer)('DELETE', target)).status, 403)
    const above = `/members/${owner.id}/passkeys/${await idOfPasskey(server, owner.id)}`
    t.equal((await asPerson(server, admin)('DELETE', above)).status, 403)
    t.equal((await asPerson(server, admin)('DELETE', target)).status, 204)
    t.equal((await asPerson(server, viewer)('GET', '/auth/me')).status, 401)
    t.equal((await signInWith(server, ofViewer)).status, 400)
    t.equal((await signInWith(server, ofOwner)).status, 200)
  })

  tap.test(`[${name}] a removed member and a suspended organization are signed in by no passkey`, async t => {
    const ada = await createPerson(server)
    const viewer = await createPerson(server, { organization: ada.organization, role: 'viewer' })
    const [first, second] = [newAuthenticator(issuer), newAuthenticator(issuer)]
    await add(server, ada, first)
    await add(server, viewer, second)
    await server.admin('POST', `/members/${viewer.id}/remove`)
    t.strictSame((await signInWith(server, second)).json, refused)
    await server.admin('POST', `/organizations/${ada.organization}/suspend`)
    t.strictSame((await signInWith(server, first)).json, refused)
    await server.admin('POST', `/organizations/${ada.organization}/resume`)
    t.equal((await signInWith(server, first)).status, 200)
  })

  tap.test(`[${name}] what one organization lets in opens no other organization of the same person`, async t => {
    const here = await createPerson(server)
    const there = await createMember(server)
    const authenticator = newAuthenticator(issuer)
    await add(server, here, authenticator)
    const { store } = server.latchkey.operation
    const [identity] = await store.identities.ofMember(here.id)
    await store.identities.link({
      identityId: identity!.id, organizationId: there.organization, memberId: there.id, createdAt: server.clock.now()
    })
    const byLink = await signIn(server, here.id)
    const planted = newAuthenticator(issuer)
    t.equal((await add(server, byLink, planted)).status, 201)
    const move = (session: Session) =>
      asPerson(server, session)('POST', '/auth/organization', { organization: there.organization })
    t.equal((await move(sessionOf(await signInWith(server, planted)))).status, 404, 'a link proved the member alone')
    t.equal((await move(sessionOf(await signInWith(server, authenticator)))).status, 204)
    const lost = await idOfPasskey(server, here.id)
    t.equal((await asPerson(server, byLink)('POST', `${path}/${lost}/remove`)).status, 204)
    t.equal((await store.passkeys.ofMember(there.id)).length, 1, 'it goes on where this session proves nothing')
    t.equal((await store.passkeys.ofMember(here.id)).length, 1)
  })
}

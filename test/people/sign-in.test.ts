/** Links, sign-out and the pages around them, as browsers and programs use them. */
import tap from 'tap'
import { asPerson, createMember, createPerson, fromOwnPages } from '../support/people.ts'
import { startOnEachDatabase, type Answer, type TestServer } from '../support/test-server.ts'

const started = await startOnEachDatabase()
tap.teardown(started.close)

const wantingPages = { ...fromOwnPages, accept: 'text/html,application/xhtml+xml' }

async function linkFor (server: TestServer, memberId: string): Promise<string> {
  const { status, json, text } = await server.admin('POST', `/members/${memberId}/sign-in-links`)
  if (status !== 201) throw new Error(`${status} ${text}`)
  return json.url
}

function secretOf (url: string): string {
  return url.slice(url.indexOf('#') + 1)
}

function open (server: TestServer, token: string, headers: Record<string, string> = fromOwnPages): Promise<Answer> {
  return server.send({ method: 'POST', path: '/api/v1/auth/link', headers, body: new URLSearchParams({ token }) })
}

/** The cookie of an answer as a browser sends it back. */
function cookieOf ({ headers }: Answer): string {
  return headers['set-cookie']![0]!.split(';', 1)[0]!
}

for (const { name, server } of started.servers) {
  tap.test(`[${name}] a link signs its member in once, however often its page is fetched before`, async t => {
    const ada = await createMember(server)
    const url = await linkFor(server, ada.id)
    t.match(url, /^http:\/\/127\.0\.0\.1:\d+\/api\/v1\/auth\/link#lksil_[A-Za-z0-9_-]{43}$/)
    const path = new URL(url).pathname
    for (let i = 0; i < 3; i++) t.equal((await server.send({ path })).status, 200, 'a scanner')
    const answer = await open(server, url, wantingPages)
    t.equal(answer.status, 303)
    t.equal(answer.headers.location, '/api/v1/auth/login')
    t.match(
      answer.headers['set-cookie']![0],
      /^latchkey_session=lkpse_[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Lax$/
    )
    const cookie = cookieOf(answer)
    const me = await asPerson(server, { cookie })('GET', '/auth/me')
    t.equal(me.status, 200)
    t.strictSame(me.json.member, { id: ada.id, name: 'Ada', role: 'owner', organization: ada.organization })
    t.strictSame(me.json.session.amr, ['otp'])
    const again = await open(server, url)
    t.equal(again.status, 400)
    t.strictSame(again.json, {
      error: 'This sign-in link is not valid: it was used, has expired or is incomplete. Ask for another one.',
      code: 'INVALID_SIGN_IN_LINK'
    })
    t.notOk(again.headers['set-cookie'])
  })

  tap.test(`[${name}] of 20 that come with one link at once, one signs in`, async t => {
    const ada = await createMember(server)
    const token = secretOf(await linkFor(server, ada.id))
    const answers = await Promise.all(Array.from({ length: 20 }, () => open(server, token)))
    t.equal(answers.filter(({ status }) => status === 204).length, 1)
    t.equal(answers.filter(({ status }) => status === 400).length, 19)
    const { json } = await server.admin('GET', `/audit?organization=${ada.organization}&type=sign_in_link.used`)
    t.equal(json.data.length, 1)
  })

  tap.test(`[${name}] a link signs nobody in after its end, after the member's, or from another site`, async t => {
    const ada = await createMember(server)
    const late = secretOf(await linkFor(server, ada.id))
    server.clock.advance(600)
    t.equal((await open(server, late)).status, 400)
    const token = secretOf(await linkFor(server, ada.id))
    for (const headers of [
      {}, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': 'none' },
      { origin: 'null' }, { origin: `${server.issuer}.evil.test` },
      { 'sec-fetch-site': 'cross-site', origin: server.issuer }
    ] as Record<string, string>[]) {
      const answer = await open(server, token, headers)
      t.equal(answer.status, 403, JSON.stringify(headers))
      t.equal(answer.json.code, 'CROSS_SITE_REQUEST')
    }
    t.equal((await open(server, token, { origin: server.issuer })).status, 204, 'a browser without Sec-Fetch-Site')
    const last = secretOf(await linkFor(server, ada.id))
    await server.admin('POST', `/members/${ada.id}/remove`)
    t.equal((await open(server, last)).status, 400)
  })

  tap.test(`[${name}] W1: each sign-in makes another session, and ends the one that the browser had`, async t => {
    const ada = await createPerson(server)
    const first = ada.cookie
    const answer = await open(server, await linkFor(server, ada.id), { ...fromOwnPages, cookie: first })
    t.not(cookieOf(answer), first)
    t.equal((await asPerson(server, { cookie: first })('GET', '/auth/me')).status, 401)
    t.equal((await asPerson(server, { cookie: cookieOf(answer) })('GET', '/auth/me')).status, 200)
    const chosen = 'latchkey_session=lkpse_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
    const other = await open(server, await linkFor(server, ada.id), { ...fromOwnPages, cookie: chosen })
    t.not(cookieOf(other), chosen)
  })

  tap.test(`[${name}] sign-out ends the session, everywhere ends all of them, and both clear the browser`, async t => {
    const ada = await createPerson(server)
    const second = cookieOf(await open(server, await linkFor(server, ada.id)))
    const third = cookieOf(await open(server, await linkFor(server, ada.id)))
    const call = asPerson(server, ada)
    t.equal((await call('GET', '/auth/sessions')).json.data.length, 3)
    const out = await asPerson(server, { cookie: second })('POST', '/auth/logout')
    t.equal(out.status, 204)
    t.equal(out.headers['clear-site-data'], '"cache", "storage"')
    t.strictSame(out.headers['set-cookie'], ['latchkey_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax'])
    t.equal((await asPerson(server, { cookie: second })('GET', '/auth/me')).status, 401)
    const crossSite = await server.send({
      method: 'POST', path: '/api/v1/auth/logout', headers: { cookie: third, 'sec-fetch-site': 'cross-site' }
    })
    t.equal(crossSite.status, 403)
    const everywhere = await call('POST', '/auth/logout-everywhere', undefined, { accept: 'text/html' })
    t.equal(everywhere.status, 303)
    t.equal(everywhere.headers.location, '/api/v1/auth/signed-out')
    for (const cookie of [ada.cookie, third]) {
      t.equal((await asPerson(server, { cookie })('GET', '/auth/me')).status, 401)
    }
    const { json } = await server.admin('GET', `/audit?organization=${ada.organization}&type=person_session.ended`)
    t.strictSame(json.data.map(({ detail }: any) => detail.reason), ['sign-out-everywhere', 'sign-out'])
  })
}

/** Every way to sign in comes back to the path that asked for it, and to no other site. */
import tap from 'tap'
import { newAuthenticator } from '../support/authenticator.ts'
import { asPerson, createMember, createPerson, fromOwnPages } from '../support/people.ts'
import { startServer, type Answer } from '../support/test-server.ts'

const issuer = 'http://localhost:4000'
const server = await startServer({ issuer })
tap.teardown(server.close)

const accept = 'text/html,application/xhtml+xml'
const path = '/interaction/abc?a=b&c=d%20e'
const query = `?${new URLSearchParams({ return_to: path })}`
const elsewhere = [
  '//evil.example', '/\\evil.example', '/..//evil.example', 'https://evil.example/', '/\t/evil', 'evil'
]

function get (url: string, cookie = ''): Promise<Answer> {
  return server.send({ path: `/api/v1/auth${url}`, headers: { accept, cookie } })
}

function openLink (token: string, more: Record<string, string> = {}, headers = { accept }): Promise<Answer> {
  const body = new URLSearchParams({ token, ...more })
  return server.send({ method: 'POST', path: '/api/v1/auth/link', headers: { ...fromOwnPages, ...headers }, body })
}

async function linkOf (memberId: string): Promise<string> {
  return (await server.admin('POST', `/members/${memberId}/sign-in-links`)).json.url
}

tap.test('the sign-in page hands the path on to each way', async t => {
  const { text } = await get(`/login${query}`)
  const escaped = new URLSearchParams({ return_to: path }).toString().replaceAll('=', '&#61;')
  t.match(text, `href="/api/v1/auth/link?${escaped}"`)
  t.match(text, /name="return_to" value="\/interaction\/abc\?a&#61;b&#38;c&#61;d%20e"/, 'passkey')
  const form = await get(`/link${query}`)
  t.match(form.text, /name="return_to" value="\/interaction\/abc\?a&#61;b&#38;c&#61;d%20e"/)
  t.match(form.text, `href="/api/v1/auth/login?${escaped}"`)
  t.notMatch((await get('/link')).text, 'return_to')
})

tap.test('a link leads to the path, by a page of its own, also after one that was not good', async t => {
  const { id } = await createMember(server)
  const failed = await openLink('lksil_none', { return_to: path })
  t.equal(failed.status, 400)
  t.match(failed.text, /name="return_to" value="\/interaction\/abc/)
  const answer = await openLink(await linkOf(id), { return_to: path })
  t.equal(answer.status, 200, 'no redirect, which a form may not follow to a client')
  t.match(answer.text, '<meta http-equiv="refresh" content="0;url&#61;/interaction/abc?a&#61;b&#38;c&#61;d%20e">'
    .replace('url&#61;', 'url='))
  t.match(answer.headers['set-cookie']![0], /^latchkey_session=/)
  t.equal((await openLink(await linkOf(id), { return_to: '' })).headers.location, '/api/v1/auth/login')
  t.equal((await openLink(await linkOf(id), { return_to: path }, { accept: 'application/json' })).status, 204)
})

tap.test('a passkey leads to the path', async t => {
  const ada = await createPerson(server)
  const authenticator = newAuthenticator(issuer)
  const call = asPerson(server, ada)
  const options = await call('POST', '/auth/passkeys/options', {})
  await call('POST', '/auth/passkeys', { name: 'x', credential: authenticator.create(options.json as never) })
  const signIn = async (returnTo: unknown) => {
    const asked = await asPerson(server, { cookie: '' })('POST', '/auth/passkeys/sign-in/options', {})
    const cookie = asked.headers['set-cookie']![0]!.split(';', 1)[0]!
    const credential = authenticator.get(asked.json as never)
    return await asPerson(server, { cookie })('POST', '/auth/passkeys/sign-in', { credential, return_to: returnTo })
  }
  t.match(await signIn(path), { status: 200, json: { location: path } })
  for (const bad of elsewhere) t.equal((await signIn(bad)).status, 400, bad)
})

tap.test('a person who is signed in is led on at once, unless they have to sign in again', async t => {
  const { cookie } = await createPerson(server)
  const led = await get(`/login${query}`, cookie)
  t.strictSame([led.status, led.headers.location], [303, path])
  t.match(await get('/login', cookie), { status: 200, text: /You are signed in/ })
  t.match(await get(`/login${query}&prompt=login`, cookie), { status: 200, text: /Sign in again/ })
})

tap.test('W2: a path that leads elsewhere is refused, before a link is used up', async t => {
  const { id } = await createMember(server)
  const { cookie } = await createPerson(server)
  const link = await linkOf(id)
  for (const bad of [...elsewhere, `/${'a'.repeat(10_000)}`]) {
    const bads = `?${new URLSearchParams({ return_to: bad })}`
    const answers = [
      await get(`/login${bads}`), await get(`/login${bads}`, cookie), await get(`/link${bads}`),
      await openLink(link, { return_to: bad })
    ]
    const what = bad.slice(0, 20)
    const last = bad.length > 4_096 ? 413 : 400
    t.strictSame(answers.map(({ status }) => status), [400, 400, 400, last], what)
    t.notOk(answers.some(({ headers, text }) => headers.location !== undefined || /(href|url)="?\/\//.test(text)), what)
  }
  t.equal((await openLink(link)).status, 303, 'it is good still')
})

/** Accounts at providers: people and administrators see and unlink them, and the last way in stays. */
import tap from 'tap'
import type { Browser } from '../support/browsing.ts'
import { databases } from '../support/databases.ts'
import { asPerson, createAccount, createPasskey, createPerson, signIn } from '../support/people.ts'
import { startJourney } from '../support/provider-journey.ts'
import type { Answer, Outgoing } from '../support/test-server.ts'

let count = 0

for (const { name, fresh } of databases) {
  tap.test(`[${name}] accounts at providers`, async t => {
    const database = await fresh()
    const journey = await startJourney({ database: database.url })
    t.teardown(async () => {
      await journey.close()
      await database.drop()
    })
    const { server, idp, create, me, trusting } = journey
    const { latchkey: { operation: { store } }, clock } = server

    /** A member whom the provider has signed in. */
    async function person (organization: string) {
      const sub = `person-${++count}`
      const vouched = { sub, email: `${sub}@acme.example`, email_verified: true }
      await create('/invitations', { organization, email: vouched.email, role: 'owner' })
      const { browser } = await journey.signIn(vouched)
      return { vouched, browser, id: (await me(browser)).json.member.id as string, organization }
    }

    function call (browser: Browser, method: string, path: string, body?: Outgoing['body']): Promise<Answer> {
      const own = browser.cookies.get(new URL(server.url).host)!
      return asPerson(server, { cookie: `latchkey_session=${own.get('latchkey_session')}` })(method, path, body)
    }

    /** Another account of a member, at a provider with this issuer. */
    async function secondAccount ({ id }: { id: string }, issuer = idp.issuer): Promise<string> {
      return (await createAccount(server, id, issuer)).id
    }

    async function accountsOf (memberId: string): Promise<string[]> {
      const { json } = await server.admin('GET', `/members/${memberId}/identities`)
      return json.data.map((each: { id: string }) => each.id)
    }

    await t.test('the person and administrators see them, and nobody else', async t => {
      const ada = await person(await trusting())
      const [account] = (await call(ada.browser, 'GET', '/auth/identities')).json.data
      t.match(account, { id: /^idn_/, provider: 'up', issuer: idp.issuer, subject: ada.vouched.sub, linkedAt: String })
      t.strictSame((await server.admin('GET', `/members/${ada.id}/identities`)).json.data, [account])
      await createPasskey(server, ada.id)
      t.equal((await accountsOf(ada.id)).length, 1, 'a passkey is none')
      const gone = await secondAccount(ada, 'https://former.example')
      const listed = (await call(ada.browser, 'GET', '/auth/identities')).json.data
      t.match(listed, [{ provider: 'up' }, { id: gone, provider: null, issuer: 'https://former.example' }])
      const page = await ada.browser.open(`${server.url}/api/v1/auth/login`)
      t.match(page.text, `action="/api/v1/auth/identities/${account.id}/remove"`)
      t.match(page.text, 'Upstream')
      const eve = await createPerson(server)
      t.equal((await asPerson(server, eve)('GET', `/members/${ada.id}/identities`)).status, 404)
      t.equal((await asPerson(server, eve)('DELETE', `/members/${ada.id}/identities/${account.id}`)).status, 404)
      t.equal((await asPerson(server, eve)('DELETE', `/auth/identities/${account.id}`)).status, 404)
      t.equal((await asPerson(server, eve)('POST', `/auth/identities/${account.id}/remove`)).status, 404)
      t.equal((await server.admin('GET', '/auth/identities')).status, 403, 'a route for people')
    })

    await t.test('a person unlinks one within ten minutes of a sign-in, and its other sessions end', async t => {
      const ada = await person(await trusting())
      const other = (await journey.signIn(ada.vouched)).browser
      const byLink = await signIn(server, ada.id)
      const [account] = await accountsOf(ada.id)
      await createPasskey(server, ada.id)
      clock.advance(600)
      const late = await call(ada.browser, 'DELETE', `/auth/identities/${account}`)
      t.match([late.status, late.json.code], [401, 'REAUTHENTICATION_REQUIRED'])
      clock.advance(-600)
      t.equal((await call(ada.browser, 'DELETE', `/auth/identities/${account}`)).status, 204)
      t.strictSame(await accountsOf(ada.id), [])
      t.equal((await me(ada.browser)).status, 200, 'the session that did it goes on')
      t.equal((await me(other)).status, 401)
      t.equal((await asPerson(server, byLink)('GET', '/auth/me')).status, 200, 'it began in another way')
      t.equal((await journey.signIn(ada.vouched)).status, 403, 'the account signs them in no more')
      const { json } = await server.admin('GET', `/audit?organization=${ada.organization}&type=identity.unlinked`)
      t.match(json.data, [{ actor: ada.id, subject: ada.id, detail: { identity: account, sessionsEnded: 1 } }])
      const form = await person(ada.organization)
      const [second] = [await secondAccount(form)]
      const answer = await call(form.browser, 'POST', `/auth/identities/${second}/remove`)
      t.equal(answer.status, 204, 'the form of the page')
      const vouched = await signIn(server, form.id, { vouchedBy: 'key_x' })
      t.equal((await asPerson(server, vouched)('DELETE', `/auth/identities/${second}`)).status, 401, 'its key is gone')
    })

    await t.test('the last way in stays, and only what lets the person in is one', async t => {
      const organization = await trusting()
      const refusedBy = async (browser: Browser, account: string) => {
        const { status, json } = await call(browser, 'DELETE', `/auth/identities/${account}`)
        return [status, json.code]
      }
      const ada = await person(organization)
      const [account] = await accountsOf(ada.id)
      t.strictSame(await refusedBy(ada.browser, account!), [409, 'LAST_WAY_IN'])
      await secondAccount(ada, 'https://former.example')
      t.strictSame(await refusedBy(ada.browser, account!), [409, 'LAST_WAY_IN'], 'a provider that is not configured')
      const second = await secondAccount(ada)
      const passkey = await createPasskey(server, ada.id)
      const answers = await Promise.all([account, second].map(id => refusedBy(ada.browser, id!)))
      t.strictSame(answers.map(([status]) => status), [204, 204], 'there is a passkey')
      const removed = await call(ada.browser, 'POST', `/auth/passkeys/${passkey.id}/remove`)
      t.match(removed, { status: 409, json: { code: 'LAST_WAY_IN' } }, 'an account at a former provider is no way in')
      const eve = await person(organization)
      const both = [(await accountsOf(eve.id))[0]!, await secondAccount(eve)]
      const raced = await Promise.all(both.map(id => refusedBy(eve.browser, id)))
      t.strictSame(raced.map(([status]) => status).sort(), [204, 409], 'of two at once, one stays')
    })

    await t.test('an account is a way in where the organization trusts its provider, a passkey where it takes them', async t => {
      const organization = await trusting()
      const ada = await person(organization)
      const passkey = await createPasskey(server, ada.id)
      const [account] = await accountsOf(ada.id)
      const require = (required: boolean) =>
        server.admin('POST', `/organizations/${organization}/require-provider`, { required })
      t.equal((await require(true)).status, 200)
      const refused = await call(ada.browser, 'DELETE', `/auth/identities/${account}`)
      t.match(refused, { status: 409, json: { code: 'LAST_WAY_IN' } }, 'the organization takes no passkey')
      await require(false)
      const [trusted] = (await server.admin('GET', `/trusted-providers?organization=${organization}`)).json.data
      await server.admin('DELETE', `/trusted-providers/${trusted.id}`)
      const session = await signIn(server, ada.id)
      const last = await asPerson(server, session)('POST', `/auth/passkeys/${passkey.id}/remove`)
      t.match(last, { status: 409, json: { code: 'LAST_WAY_IN' } }, 'the organization trusts the provider no more')
      await create('/trusted-providers', { organization, provider: 'up' })
      t.equal((await asPerson(server, session)('POST', `/auth/passkeys/${passkey.id}/remove`)).status, 204)
    })

    await t.test('an administrator unlinks the last one too: the sessions end, and an invitation links another', async t => {
      const organization = await trusting()
      const ada = await person(organization)
      const admin = asPerson(server, await createPerson(server, { organization, role: 'admin' }))
      const [account] = await accountsOf(ada.id)
      t.equal((await admin('DELETE', `/members/${ada.id}/identities/${account}`)).status, 403, 'of an owner')
      const owner = asPerson(server, await createPerson(server, { organization, role: 'owner' }))
      t.equal((await owner('DELETE', `/members/${ada.id}/identities/idn_none`)).status, 404)
      t.equal((await owner('DELETE', `/members/${ada.id}/identities/${account}`)).status, 204)
      t.equal((await me(ada.browser)).status, 401)
      t.equal((await owner('POST', '/invitations', { organization, member: ada.id })).status, 201)
      const back = await journey.signIn({ ...ada.vouched, sub: `${ada.vouched.sub}-new` })
      t.equal((await me(back.browser)).json.member.id, ada.id)
    })

    await t.test('an account that stands for members of two organizations is unlinked from one', async t => {
      const [here, there] = [await trusting(), await trusting()]
      const ada = await person(here)
      const [account] = await accountsOf(ada.id)
      const other = await create('/members', { organization: there, name: 'Ada', role: 'owner' })
      await store.identities.link({
        identityId: account!, organizationId: there, memberId: other.id, createdAt: clock.now()
      })
      await createPasskey(server, ada.id)
      t.equal((await call(ada.browser, 'DELETE', `/auth/identities/${account}`)).status, 204)
      t.strictSame(await accountsOf(other.id), [account])
      t.equal((await me((await journey.signIn(ada.vouched)).browser)).json.member.id, other.id)
    })
  })
}

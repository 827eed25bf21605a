/** Sign-in with a real OpenID provider: who gets in, as whom, with which groups, and how it ends. */
import tap from 'tap'
import { newBrowser } from '../support/browsing.ts'
import { databases } from '../support/databases.ts'
import { until } from '../support/waiting.ts'
import { startJourney } from '../support/provider-journey.ts'

const ada = { sub: 'ada', email: 'Ada@acme.example', email_verified: true, name: 'Ada Lovelace' }

for (const { name, fresh } of databases) {
  tap.test(`[${name}] people sign in with a provider`, async t => {
    const database = await fresh()
    const journey = await startJourney({ database: database.url })
    t.teardown(async () => {
      await journey.close()
      await database.drop()
    })
    const { server, create, signIn, me, trusting } = journey

    await t.test('OC-03: from /auth/login to the provider, back to /auth/callback, to a session; /auth/me, /auth/logout', async t => {
      const organization = await trusting()
      await create('/invitations', { organization, email: 'ida@acme.example', role: 'viewer' })
      journey.idp.person = { sub: 'ida', email: 'ida@acme.example', email_verified: true, name: 'Ida' }
      const browser = newBrowser()
      const begun = await browser.send('GET', `${server.issuer}/api/v1/auth/login?provider=up`)
      t.equal(begun.status, 303)
      t.ok(begun.headers.location!.startsWith(`${journey.idp.issuer}/`), begun.headers.location!)
      const { url } = await browser.open(begun.headers.location!, to => to.startsWith(server.issuer))
      t.equal(new URL(url).pathname, '/api/v1/auth/callback')
      t.equal((await me(browser)).status, 401)
      const back = await browser.send('GET', url)
      t.strictSame([back.status, back.headers.location], [303, '/'])
      t.match(back.headers['set-cookie']!.join('\n'), /^latchkey_session=lkpse_[\w-]{43}; .*HttpOnly/m)
      const { json } = await me(browser)
      t.match(json, { member: { name: 'Ida', role: 'viewer', organization }, session: { provider: 'up' } })
      t.ok(json.permissions.includes('members:read'))
      const own = { 'sec-fetch-site': 'same-origin' }
      t.equal((await browser.send('POST', `${server.issuer}/api/v1/auth/logout`, {}, own)).status, 303)
      t.equal((await me(browser)).status, 401)
    })

    await t.test('OC-03 an invited person becomes a member by a verified e-mail, and is known by `sub` from then on', async t => {
      const organization = await trusting()
      const group = await create('/groups', { organization, name: 'Crew', scopes: ['invoices:read'] })
      const invitation = await create('/invitations', {
        organization, email: 'ada@acme.example', role: 'admin', groups: [group.id]
      })
      t.match(invitation, { status: 'open', member: null, role: 'admin', groups: [group.id] })
      const first = await signIn(ada, undefined, '&return_to=/api/v1/auth/login')
      t.equal(first.status, 200, first.text)
      t.match(first.text, 'Ada Lovelace')
      const mine = (await me(first.browser)).json
      t.match(mine, { member: { name: 'Ada Lovelace', role: 'admin', organization }, session: { provider: 'up' } })
      t.match((await server.admin('GET', `/invitations/${invitation.id}`)).json, {
        status: 'accepted', member: mine.member.id
      })
      t.match((await server.admin('GET', `/groups/${group.id}/members`)).json.data, [{ id: mine.member.id }])
      const again = await signIn({ ...ada, email: 'other@acme.example', email_verified: false })
      t.equal((await me(again.browser)).json.member.id, mine.member.id, 'by the subject, whatever the e-mail is now')
      await server.admin('POST', `/members/${mine.member.id}/remove`)
      t.equal((await me(first.browser)).status, 401, 'removed while signed in')
      const removed = await signIn(ada)
      t.equal(removed.status, 403)
      t.notOk([...removed.browser.cookies.values()].some(own => own.has('latchkey_session')))
    })

    await t.test('OC-03 nobody else gets in: 403, no cookie, and the reason in the audit log', async t => {
      const organization = await trusting()
      await create('/invitations', { organization, email: 'grace@acme.example', role: 'member' })
      const [asking, unverified] = [/ask an administrator/, /not say that your e-mail/]
      const cases = [
        [{ sub: 'eve', email: 'eve@acme.example', email_verified: true }, asking, 'unknown_person'],
        [{ sub: 'bob' }, asking, 'unknown_person'],
        [{ sub: 'mal', email: 'grace@acme.example', email_verified: false }, unverified, 'email_not_verified'],
        [{ sub: 'tex', email: 'grace@acme.example', email_verified: 'true' }, unverified, 'email_not_verified'],
      ] as const
      for (const [person, sentence, reason] of cases) {
        const visit = await signIn(person)
        t.equal(visit.status, 403)
        t.match(visit.text, sentence)
        t.notOk([...visit.browser.cookies.values()].some(own => own.has('latchkey_session')))
        await until(reason, async () => {
          const events = await server.admin('GET', '/audit?type=sign_in.refused')
          return events.json.data.some((event: any) => event.detail.reason === reason)
        })
      }
    })

    await t.test('an invitation holds for the organization that trusts the provider alone', async t => {
      const { id: organization } = await create('/organizations', { name: 'Elsewhere' })
      await create('/invitations', { organization, email: 'kay@acme.example', role: 'owner' })
      const kay = { sub: 'kay', email: 'kay@acme.example', email_verified: true }
      t.equal((await signIn(kay)).status, 403)
      await create('/trusted-providers', { organization, provider: 'up' })
      const inside = await signIn(kay)
      t.equal((await me(inside.browser)).json.member.organization, organization)
      const [trusted] = (await server.admin('GET', `/trusted-providers?organization=${organization}`)).json.data
      t.equal((await server.admin('DELETE', `/trusted-providers/${trusted.id}`)).status, 204)
      t.equal((await me(inside.browser)).status, 401, 'the trust is gone, and the session with it')
      t.equal((await signIn(kay)).status, 403)
    })

    await t.test('an e-mail domain lets people join where the organization says so, and in no other', async t => {
      const organization = await trusting({ joinsAs: 'viewer' })
      await create('/email-domains', { organization, domain: 'Crew.Example' })
      t.match(await server.admin('POST', '/email-domains', { organization, domain: 'crew.example' }), { status: 409 })
      const member = await create('/members', { organization, name: 'Old', role: 'owner', email: 'old@crew.example' })
      const joined = await signIn({ sub: 'new', email: 'new@CREW.example', email_verified: true, name: 'New' })
      t.match((await me(joined.browser)).json.member, { organization, role: 'viewer', name: 'New' })
      const taken = await signIn({ sub: 'old', email: 'old@crew.example', email_verified: true })
      t.equal(taken.status, 403)
      t.match(taken.text, /belongs to a member/)
      await create('/invitations', { organization, member: member.id })
      const linked = await signIn({ sub: 'old', email: 'old@crew.example', email_verified: true })
      t.match((await me(linked.browser)).json.member, { id: member.id, role: 'owner' })
      t.equal((await signIn({ sub: 'sub', email: 'x@sub.crew.example', email_verified: true })).status, 403)
      const second = await server.admin('POST', '/invitations', { organization, member: member.id })
      t.match(second, { status: 409, json: { code: 'CONFLICT' } })
    })

    await t.test('mapped groups follow the claims at each sign-in; groups given by hand stay', async t => {
      const organization = await trusting()
      const [crew, pilots] = await Promise.all(['Crew', 'Pilots'].map(name =>
        create('/groups', { organization, name, scopes: ['invoices:read'] })))
      const [trusted] = (await server.admin('GET', `/trusted-providers?organization=${organization}`)).json.data
      const mapping = [{ value: 'crew', group: crew!.id }, { value: 'pilot', group: pilots!.id }]
      const changed = await server.admin('PATCH', `/trusted-providers/${trusted.id}`, { groupMapping: mapping })
      t.equal(changed.status, 200, changed.text)
      const dry = await server.admin('POST', `/trusted-providers/${trusted.id}/try-mapping`, {
        claims: { groups: ['crew', 'cook'] }
      })
      t.strictSame(dry.json, { values: ['crew', 'cook'], groups: [{ id: crew!.id, name: 'Crew' }], unmapped: ['cook'] })
      await create('/invitations', { organization, email: 'pat@acme.example', role: 'member' })
      const pat = { sub: 'pat', email: 'pat@acme.example', email_verified: true }
      const { browser } = await signIn({ ...pat, groups: ['crew', 'pilot'] })
      const { id } = (await me(browser)).json.member
      const groupsOf = async () => (await Promise.all([crew, pilots].map(async group =>
        (await server.admin('GET', `/groups/${group!.id}/members`)).json.data.length))).join()
      t.equal(await groupsOf(), '1,1')
      await server.admin('PUT', `/groups/${crew!.id}/members/${id}`)
      await signIn({ ...pat, groups: 'none of them' })
      t.equal(await groupsOf(), '1,0', 'crew was given by hand too')
      await signIn({ ...pat, groups: { crew: true } })
      t.equal(await groupsOf(), '1,0')
    })

    await t.test('a signed-in person adds a second account, which nobody else has', async t => {
      const organization = await trusting()
      await create('/invitations', { organization, email: 'lin@acme.example', role: 'member' })
      const { browser } = await signIn({ sub: 'lin', email: 'lin@acme.example', email_verified: true })
      const { id } = (await me(browser)).json.member
      const own = { 'sec-fetch-site': 'same-origin' }
      const url = `${server.url}/api/v1/auth/identities`
      t.equal((await browser.send('POST', url, { provider: 'up' })).status, 403, 'from another site')
      const started = await browser.send('POST', url, { provider: 'up' }, { ...own, accept: 'application/json' })
      t.equal(started.status, 200, started.text)
      journey.idp.person = { sub: 'lin-2' }
      browser.cookies.delete(new URL(journey.idp.issuer).host)
      const done = await browser.open(JSON.parse(started.text).url)
      t.equal(done.status, 200, done.text)
      t.equal((await me((await signIn({ sub: 'lin-2' })).browser)).json.member.id, id)
      await create('/invitations', { organization, email: 'max@acme.example', role: 'member' })
      const max = await signIn({ sub: 'max', email: 'max@acme.example', email_verified: true })
      const other = await max.browser.send('POST', url, { provider: 'up' }, { ...own, accept: 'application/json' })
      max.browser.cookies.delete(new URL(journey.idp.issuer).host)
      journey.idp.person = { sub: 'lin' }
      const refused = await max.browser.open(JSON.parse(other.text).url)
      t.equal(refused.status, 409)
      t.match(refused.text, /another member/)
    })

    await t.test('an organization that requires its provider takes neither links nor sessions of them', async t => {
      const { id: organization } = await create('/organizations', { name: 'Strict' })
      const require = (required: boolean) =>
        server.admin('POST', `/organizations/${organization}/require-provider`, { required })
      t.match(await require(true), { status: 409, json: { code: 'WOULD_LOCK_OUT' } })
      const [trusted, member] = [
        await create('/trusted-providers', { organization, provider: 'up' }),
        await create('/members', { organization, name: 'Lou', role: 'owner' }),
      ]
      const link = await create(`/members/${member.id}/sign-in-links`, {})
      const early = await require(true)
      t.match(early, { status: 409, json: { code: 'WOULD_LOCK_OUT', error: /No owner of org_\w+ could sign in/ } })
      const boss = { sub: 'boss', email: 'boss@acme.example', email_verified: true }
      await create('/invitations', { organization, email: boss.email, role: 'owner' })
      const { browser } = await signIn(boss)
      t.match(await require(true), { status: 200, json: { requiresProvider: true } })
      const used = await server.send({
        method: 'POST',
        path: '/api/v1/auth/link',
        headers: { 'sec-fetch-site': 'same-origin' },
        body: new URLSearchParams({ token: link.url })
      })
      t.equal(used.status, 400)
      t.match(await server.admin('POST', `/members/${member.id}/sign-in-links`), {
        status: 403, json: { code: 'PROVIDER_REQUIRED' }
      })
      t.match(await server.admin('DELETE', `/trusted-providers/${trusted.id}`), { status: 409 })
      const owner = (await me(browser)).json.member.id
      const [{ id: account }] = (await server.admin('GET', `/members/${owner}/identities`)).json.data
      t.match(await server.admin('DELETE', `/members/${owner}/identities/${account}`), {
        status: 409, json: { code: 'WOULD_LOCK_OUT' }
      }, 'of the only owner who could sign in')
      t.match(await require(false), { json: { requiresProvider: false } })
      t.match(await server.admin('POST', '/organizations/org_operators/require-provider', { required: true }), {
        status: 409
      })
    })

    await t.test('back-channel logout ends the sessions that the provider vouched for', async t => {
      const organization = await trusting()
      await create('/invitations', { organization, email: 'sam@acme.example', role: 'member' })
      const { browser } = await signIn({ sub: 'sam', email: 'sam@acme.example', email_verified: true })
      t.equal((await me(browser)).status, 200)
      t.strictSame(await journey.idp.signOut('sam'), [200])
      t.equal((await me(browser)).status, 401)
      const events = await server.admin('GET', '/audit?type=person_session.ended')
      t.ok(events.json.data.some((event: any) => event.detail.reason === 'provider-sign-out'))
    })
  })
}

tap.test('OC-03 a provider that tells the e-mail at its user info alone, and a person who says no there', async t => {
  const journey = await startJourney({ bare: true }, { claimsInUserInfo: true })
  t.teardown(journey.close)
  const organization = await journey.trusting()
  await journey.create('/invitations', { organization, email: 'ada@acme.example', role: 'viewer' })
  journey.idp.refuses = 'access_denied'
  const refused = await journey.signIn(ada)
  t.equal(refused.status, 403)
  t.match(refused.text, 'access_denied')
  journey.idp.refuses = null
  const { browser } = await journey.signIn(ada)
  t.match((await journey.me(browser)).json.member, { organization, role: 'viewer', name: 'Ada Lovelace' })
})

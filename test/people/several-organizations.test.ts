/** People of several organizations: which ones a sign-in takes them into, which one it begins in, and who stays out. */
import tap from 'tap'
import { databases } from '../support/databases.ts'
import { startJourney } from '../support/provider-journey.ts'
import type { Json } from '../support/test-server.ts'

let count = 0

for (const { name, fresh } of databases) {
  tap.test(`[${name}] a person of several organizations`, async t => {
    const database = await fresh()
    const journey = await startJourney({ database: database.url })
    t.teardown(async () => {
      await journey.close()
      await database.drop()
    })
    const { server, create, signIn, me, trusting } = journey

    /** A new person, with an e-mail in a domain of their own. */
    function stranger () {
      const sub = `s${++count}`
      return { sub, email: `ada@${sub}.example`, email_verified: true }
    }

    async function invite ({ email }: { email: string }, organization: string, more: Json = {}): Promise<string> {
      return (await create('/invitations', { organization, email, role: 'viewer', ...more })).id
    }

    /** Where a sign-in leads to, and which organizations there are to change to. */
    async function signedIn (person: { sub: string }, query = ''): Promise<{ at: string, all: string[] }> {
      const { json } = await me((await signIn(person, undefined, query)).browser)
      const all = json.organizations?.map((each: { id: string }) => each.id).sort()
      return { at: json.member?.organization, all }
    }

    await t.test('a sign-in takes them into every organization that has invited the verified e-mail', async t => {
      const ada = stranger()
      const [first, second, later] = [await trusting(), await trusting(), await trusting()]
      const { id: distrusting } = await create('/organizations', { name: 'Distrusting' })
      for (const each of [first, second, distrusting]) await invite(ada, each)
      t.strictSame(await signedIn(ada), { at: first, all: [first, second].sort() })
      await invite(ada, later)
      t.strictSame(await signedIn(ada), { at: first, all: [first, second, later].sort() }, 'and is where it was')
      await create('/trusted-providers', { organization: distrusting, provider: 'up' })
      t.strictSame((await signedIn(ada, `&organization=${distrusting}`)).at, distrusting, 'once it trusts the provider')
    })

    await t.test('the organization of the e-mail\'s domain comes first for a new person, whoever invited before', async t => {
      const ada = stranger()
      const [evil, own] = [await trusting(), await trusting({ joinsAs: 'member' })]
      await create('/email-domains', { organization: own, domain: `${ada.sub}.example` })
      await invite(ada, evil)
      t.strictSame(await signedIn(ada), { at: own, all: [evil, own].sort() })
      const eve = { ...ada, sub: `${ada.sub}-2`, email: `eve@${ada.sub}.example` }
      await invite(eve, evil)
      await invite(eve, own, { role: 'admin' })
      const { browser } = await signIn(eve)
      const { member } = (await me(browser)).json
      t.match(member, { organization: own, role: 'admin' }, 'an invitation goes before the domain')
    })

    await t.test('a sign-in to a named organization looks at no other one', async t => {
      const ada = stranger()
      const [first, second] = [await trusting(), await trusting()]
      for (const each of [first, second]) await invite(ada, each)
      t.strictSame(await signedIn(ada, `&organization=${second}`), { at: second, all: [second] })
      const other = await trusting()
      t.equal((await signIn(ada, undefined, `&organization=${other}`)).status, 403)
      t.strictSame(await signedIn(ada), { at: second, all: [first, second].sort() })
    })

    await t.test('no invitation makes another member of one who is there', async t => {
      const ada = stranger()
      const organization = await trusting()
      await invite(ada, organization)
      const { json: { member } } = await me((await signIn(ada)).browser)
      const renamed = { ...ada, email: `other@${ada.sub}.example` }
      const open = await invite(renamed, organization, { role: 'owner' })
      t.equal((await me((await signIn(renamed)).browser)).json.member.id, member.id)
      t.equal((await server.admin('GET', `/invitations/${open}`)).json.status, 'open')
    })

    await t.test('mapped groups follow the claims in all of them', async t => {
      const ada = stranger()
      const groups: string[] = []
      for (const organization of [await trusting(), await trusting()]) {
        const { id: group } = await create('/groups', { organization, name: 'Crew', scopes: ['invoices:read'] })
        groups.push(group)
        const [trusted] = (await server.admin('GET', `/trusted-providers?organization=${organization}`)).json.data
        await server.admin('PATCH', `/trusted-providers/${trusted.id}`, { groupMapping: [{ value: 'crew', group }] })
        await invite(ada, organization)
      }
      const sizes = () => Promise.all(groups.map(async group =>
        (await server.admin('GET', `/groups/${group}/members`)).json.data.length))
      await signIn({ ...ada, groups: ['crew'] })
      t.strictSame(await sizes(), [1, 1])
      await signIn({ ...ada, groups: [] })
      t.strictSame(await sizes(), [0, 0], 'none is left where a change of the organization leads')
    })

    await t.test('one sign-in accepts twenty invitations at most', async t => {
      const ada = stranger()
      for (let i = 0; i < 21; i++) await invite(ada, await trusting())
      t.equal((await signedIn(ada)).all.length, 20)
      t.equal((await signedIn(ada)).all.length, 21)
    })

    await t.test('a removed member whom no provider signed in stays out of the domain\'s organization until invited', async t => {
      const ada = stranger()
      const organization = await trusting({ joinsAs: 'viewer' })
      await create('/email-domains', { organization, domain: `${ada.sub}.example` })
      const { id } = await create('/members', {
        organization, name: 'Ada', role: 'viewer', email: ada.email.replace('ada', 'ADA')
      })
      t.equal((await server.admin('POST', `/members/${id}/remove`)).status, 200)
      t.equal((await signIn(ada)).status, 403)
      const eve = { ...ada, sub: `${ada.sub}-2`, email: `eve@${ada.sub}.example` }
      t.equal((await signedIn(eve)).at, organization, 'others join')
      await invite(ada, organization)
      t.equal((await signedIn(ada)).at, organization)
    })

    await t.test('an invitation that is older than a removal brings nobody back', async t => {
      const ada = stranger()
      const organization = await trusting()
      await invite(ada, organization)
      await invite(ada, organization, { role: 'admin' })
      const { browser } = await signIn(ada)
      const { member } = (await me(browser)).json
      server.clock.advance(1)
      t.equal((await server.admin('POST', `/members/${member.id}/remove`)).status, 200)
      t.equal((await signIn(ada)).status, 403)
      server.clock.advance(1)
      await invite(ada, organization)
      t.equal((await signedIn(ada)).at, organization)
    })
  })
}

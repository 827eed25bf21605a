/** Requests for a resource of another organization: a member of it may change to it, others learn nothing. */
import tap from 'tap'
import {
  answerPage, authorizationUrl, browserOf, createAskingClient, isCallback, newPkce, redeem, returned
} from '../support/authorizing.ts'
import { newBrowser, type Browser, type Visit } from '../support/browsing.ts'
import { createMember, fromOwnPages, signIn } from '../support/people.ts'
import { decodeJwt, startOnEachDatabase } from '../support/test-server.ts'
import { newSecret } from '../../src/secrets/random.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

for (const { name, server } of servers) {
  const { store } = server.latchkey.operation

  /** A person with members in two organizations, and an API of each. */
  async function personOfTwo () {
    const [here, there] = [await createMember(server), await createMember(server, { name: 'Ada there' })]
    const createdAt = server.clock.now()
    const identity = { id: `idn_${newSecret()}`, provider: 'https://up.example', subject: newSecret(), createdAt }
    await store.identities.insert(identity)
    for (const { id, organization } of [here, there]) {
      await store.identities.link({ identityId: identity.id, organizationId: organization, memberId: id, createdAt })
    }
    return { here, there, identityId: identity.id }
  }

  async function resourceOf (organization: string): Promise<string> {
    const identifier = `https://${newSecret().toLowerCase()}.example/api`
    const answer = await server.admin('POST', '/resources', {
      organization, identifier, name: 'Theirs', scopes: [{ name: 'things:read' }]
    })
    if (answer.status !== 201) throw new Error(answer.text)
    return identifier
  }

  async function ask (browser: Browser, resource: string) {
    const { verifier, challenge } = newPkce()
    const client = await createAskingClient(server)
    const request = { resource, scope: 'things:read' }
    let at = ''
    const page = await browser.open(authorizationUrl(server, client, challenge, request), location => {
      at = location
      return isCallback(location)
    })
    return { page: { ...page, url: at } as Visit, verifier, client }
  }

  tap.test(`[${name}] a member of the resource's organization changes to it, and allows access there`, async t => {
    const { here, there, identityId } = await personOfTwo()
    const resource = await resourceOf(there.organization)
    const browser = browserOf(server, await signIn(server, here.id, { identityId }))
    const { page, verifier, client } = await ask(browser, resource)
    t.match(page.text, 'Choose an organization')
    t.match(page.text, 'It asks for Theirs, which belongs to another organization of yours.')
    t.notMatch(page.text, 'value="allow"')
    const path = new URL(page.url).pathname
    const changed = await browser.send(
      'POST', `${server.url}/api/v1/auth/organization`, { organization: there.organization, return_to: path },
      fromOwnPages
    )
    t.equal(changed.headers.location, path)
    const next = await browser.open(server.url + path, isCallback)
    t.match(next.text, 'Ada there')
    const { code } = returned(await answerPage(server, browser, next, 'allow'))
    const { json } = await redeem(server, client, { code: code!, verifier })
    t.match(decodeJwt(json.access_token).payload, { sub: there.id, org_id: there.organization, aud: resource })
  })

  /** The page without what is the request's own: the ids of client and question, and the name that it asked by. */
  function wordsOf ({ page, client }: { page: Visit, client: { id: string } }, resource: string): string {
    const uid = new URL(page.url).pathname.split('/').at(-1)!
    return page.text.replaceAll(uid, 'UID').replaceAll(client.id, 'CLIENT').replaceAll(resource, 'RESOURCE')
  }

  tap.test(`[${name}] W3: nobody else learns that the resource exists: the page is that of an unknown one`, async t => {
    const { here, there, identityId } = await personOfTwo()
    const [theirs, unknown] = [await resourceOf(there.organization), 'https://nothing.example/api']
    const same = async (what: string, session: { cookie: string }) => {
      const browser = browserOf(server, session)
      const asked = await ask(browser, theirs)
      t.strictSame([asked.page.status, isCallback(asked.page.url)], [200, false], what)
      t.match(asked.page.text, '“Weather Agent” asks for an API that is not open to you', what)
      t.match(asked.page.text, `<code>${theirs}</code>`, what)
      t.notMatch(asked.page.text, /Theirs|things:read|value="allow"/, what)
      t.equal(wordsOf(asked, theirs), wordsOf(await ask(browser, unknown), unknown), what)
    }
    await same('a member of another organization', await signIn(server, (await createMember(server)).id))
    await same('a sign-in that proves the one member alone', await signIn(server, here.id))
    const session = await signIn(server, here.id, { identityId })
    await server.admin('POST', `/organizations/${there.organization}/suspend`)
    await same('of a suspended organization', session)
    await server.admin('POST', `/organizations/${there.organization}/resume`)
    t.match((await ask(browserOf(server, session), theirs)).page.text, 'Choose an organization', 'that is active again')
    await createMember(server, { organization: there.organization })
    t.equal((await server.admin('DELETE', `/members/${there.id}`)).status, 204)
    await same('a member who was removed there', session)
  })

  tap.test(`[${name}] an API that is not open to a person: they go back with invalid_target, and allow nothing`, async t => {
    const member = await createMember(server)
    const browser = browserOf(server, await signIn(server, member.id))
    const { page } = await ask(browser, await resourceOf((await server.createOrganization()).id))
    const { pathname } = new URL(page.url)
    const decide = (fields: Record<string, string>) =>
      browser.send('POST', server.url + pathname, fields, fromOwnPages)
    t.equal((await decide({ decision: 'allow', shown: '' })).status, 403)
    t.equal((await store.authorizations.page(
      { limit: 1, after: null }, { memberId: member.id }
    )).items.length, 0)
    const back = await browser.open(new URL((await decide({ decision: 'deny' })).headers.location!, server.url).href,
      isCallback)
    t.strictSame(returned(back), {
      error: 'invalid_target',
      error_description: 'There is no such resource for this client and this person.',
      iss: server.issuer,
      state: 'a-state'
    })
  })

  tap.test(`[${name}] an API that is not open to a person: somebody else signs in, and allows access`, async t => {
    const there = await createMember(server, { name: 'Bea there' })
    const resource = await resourceOf(there.organization)
    const browser = browserOf(server, await signIn(server, (await createMember(server)).id))
    const { page, verifier, client } = await ask(browser, resource)
    const [, link] = /<a href="([^"]+)">Sign in as somebody else/.exec(page.text)!
    const signInPage = new URL(link!.replaceAll('&#38;', '&').replaceAll('&#61;', '='), server.url)
    t.equal(signInPage.searchParams.get('prompt'), 'login')
    t.equal(signInPage.searchParams.get('return_to'), new URL(page.url).pathname)
    const [cookie, value] = (await signIn(server, there.id)).cookie.split('=') as [string, string]
    browser.cookies.get(new URL(server.url).host)!.set(cookie, value)
    const next = await browser.open(page.url, isCallback)
    const { code } = returned(await answerPage(server, browser, next, 'allow'))
    const { json } = await redeem(server, client, { code: code!, verifier })
    t.match(decodeJwt(json.access_token).payload, { sub: there.id, aud: resource })
  })

  tap.test(`[${name}] an API that ends between the decision and the way back is open to nobody any more`, async t => {
    const [one, other] = [await createMember(server), await createMember(server)]
    const identifier = await resourceOf(one.organization)
    const [resource] = (await server.admin('GET', `/resources?organization=${one.organization}`)).json.data
    const browser = browserOf(server, await signIn(server, one.id))
    const { page } = await ask(browser, identifier)
    const [, shown] = /name="shown" value="([^"]*)"/.exec(page.text)!
    const { pathname } = new URL(page.url)
    const allowed = await browser.send(
      'POST', server.url + pathname, { decision: 'allow', shown: shown! }, fromOwnPages
    )
    t.equal((await server.admin('DELETE', `/resources/${resource.id}`)).status, 204)
    const closed = await browser.open(new URL(allowed.headers.location!, server.url).href, isCallback)
    t.match(closed.text, 'asks for an API that is not open to you')
    const [cookie, value] = (await signIn(server, other.id)).cookie.split('=') as [string, string]
    browser.cookies.get(new URL(server.url).host)!.set(cookie, value)
    const again = await browser.send('GET', `${server.url}${/action="([^"]+)"/.exec(closed.text)![1]}`)
    const next = await browser.open(new URL(again.headers.location!, server.url).href, isCallback)
    t.match([next.status, next.text], [200, 'asks for an API that is not open to you'])
  })

  tap.test(`[${name}] an API that is not open to a person: prompt=login asks first, prompt=none for nothing`, async t => {
    const authenticatedAt = new Date(server.clock.now().getTime() - 60_000)
    const session = await signIn(server, (await createMember(server)).id, { authenticatedAt })
    for (const resource of [await resourceOf((await server.createOrganization()).id), 'https://nothing.example/api']) {
      const client = await createAskingClient(server)
      const open = (prompt: string, browser = browserOf(server, session)) => browser.open(
        authorizationUrl(server, client, newPkce().challenge, { resource, scope: 'things:read', prompt }), isCallback
      )
      t.match(returned(await open('none', newBrowser())), { error: 'login_required' })
      t.match((await open('login')).text, 'asks you to sign in')
      t.match(returned(await open('none')), { error: 'invalid_target', iss: server.issuer, state: 'a-state' })
    }
  })

  tap.test(`[${name}] W3: without a sign-in nobody learns that a resource exists, or its scopes`, async t => {
    const there = (await server.createOrganization()).id
    const [theirs, unknown] = [await resourceOf(there), 'https://nothing.example/api']
    const client = await createAskingClient(server)
    const asks = [theirs, unknown].flatMap(resource =>
      [{ resource, scope: 'things:read' }, { resource, scope: 'nothing:here' }, { resource, scope: '' }])
    const ways = await Promise.all(asks.map(async asked => {
      const url = authorizationUrl(server, client, newPkce().challenge, asked)
      const visit = await newBrowser().open(url, isCallback)
      const { searchParams } = new URL(url)
      const pushed = await server.send({ method: 'POST', path: '/api/v1/oauth/par', body: searchParams })
      return {
        status: visit.status,
        path: new URL(visit.url).pathname,
        pushed: pushed.status,
        isTold: visit.text.includes('things:read')
      }
    }))
    t.strictSame(new Set(ways.map(each => JSON.stringify(each))), new Set([JSON.stringify({
      status: 200, path: '/api/v1/auth/login', pushed: 201, isTold: false
    })]))
  })
}

/** A client of a metadata document where an organization takes approved clients alone, from first request to end. */
import tap from 'tap'
import {
  answerPage, authorizationUrl, browserOf, isCallback, newPkce, redeem, returned, tokenAs
} from '../support/authorizing.ts'
import type { Browser, Visit } from '../support/browsing.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { asPerson, createPerson, fromOwnPages } from '../support/people.ts'
import { startOnEachDatabase } from '../support/test-server.ts'

tap.setTimeout(600_000)
const host = await startDocumentHost(tap)
const { servers, close } = await startOnEachDatabase({ network: host.network })
tap.teardown(close)

const redirectUri = 'https://app.example.test/callback'

for (const { name, server } of servers) {
  const asked = { resource: server.issuer, scope: 'invoices:read' }

  tap.test(`[${name}] a hosted client waits for an administrator, works once approved by its URL, and ends with a denial`, async t => {
    const id = `https://${name}.agent.example/client.json`
    host.serves(id, { client_id: id, client_name: 'Weather Agent', redirect_uris: [redirectUri] })
    const client = { id, secret: null, redirectUri }
    const owner = await createPerson(server)
    const ada = await createPerson(server, { organization: owner.organization, role: 'member' })
    const rule = (unverified: string) =>
      asPerson(server, owner)('POST', `/organizations/${owner.organization}/admit-clients`, { unverified })
    t.equal((await rule('approve')).json.unverifiedClients, 'approve')
    const { verifier, challenge } = newPkce()
    const open = async () => {
      const browser = browserOf(server, ada)
      return { browser, page: await browser.open(authorizationUrl(server, client, challenge, asked), isCallback) }
    }

    const first = await open()
    t.match(first.page.text, 'An administrator of')
    t.match(first.page.text, `<code>${id}</code>`, 'what to send to an administrator')
    t.notMatch(first.page.text, 'value="allow"')
    t.equal((await asPerson(server, ada)('POST', '/client-approvals', { client: id })).status, 403, 'not by a member')
    const approval = await asPerson(server, owner)('POST', '/client-approvals', { client: id })
    t.equal(approval.status, 201, approval.text)

    const second = await open()
    const { code } = returned(await answerPage(server, second.browser, second.page, 'allow'))
    const given = await redeem(server, client, { code: code!, verifier })
    t.equal((await server.bearer(given.json.access_token)).status, 200)

    t.equal((await rule('deny')).status, 200)
    t.equal((await server.bearer(given.json.access_token)).status, 401, 'at once')
    const refreshed = await tokenAs(server, client, {
      grant_type: 'refresh_token', refresh_token: given.json.refresh_token
    })
    t.equal(refreshed.json.error, 'invalid_grant')
    const third = await open()
    t.match(third.page.text, 'lets no unverified application act for its members')
    t.match(returned(await answerBack(third)), { error: 'access_denied', state: 'a-state' })

    t.equal((await rule('approve')).status, 200)
    t.match((await open()).page.text, 'value="allow"', 'the approval is still there, and the consent is not')
    t.equal((await asPerson(server, owner)('DELETE', `/client-approvals/${approval.json.id}`)).status, 204)
    t.match((await open()).page.text, 'An administrator of')
  })

  /** Goes back to the application from a page that offers nothing else. */
  async function answerBack ({ browser, page }: { browser: Browser, page: Visit }): Promise<Visit> {
    const action = /<form method="post" action="(\/api\/v1\/auth\/consent\/[^"]+)"/.exec(page.text)![1]!
    const { headers } = await browser.send('POST', server.url + action, { decision: 'deny' }, fromOwnPages)
    return await browser.open(new URL(headers.location!, server.url).href, isCallback)
  }
}

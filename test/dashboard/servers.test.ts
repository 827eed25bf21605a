/** Servers on the dashboard, in a real Chromium. */
import tap from 'tap'
import { browser, startBrowser } from '../support/browser.ts'
import { findingsOn, picture, visitorOf } from '../support/screens.ts'
import { createMember } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { issuer, admin, latchkey: { operation: { store } } } = server

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

const serversPage = `${issuer}/dashboard/servers`

tap.test('an operator sees the servers, the checks of this one, and accepts a lost change', browser, async t => {
  const { id } = await createMember(server, { organization: 'org_operators', operator: true })
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(serversPage)
  const { json: { data: [replica] } } = await admin('GET', '/replicas')
  t.match(await page.getByRole('row', { name: new RegExp(replica.id) }).textContent(), 'Up to date')
  t.match(await page.getByRole('main').textContent(), /database\s*Passes/)
  await picture(page, 'servers')
  t.strictSame(await findingsOn(visitor), [])
  const now = server.clock.now()
  await store.lostChanges.insert({
    id: 'lch_5vSXHvDRKzVzyhBqxXqF1K',
    entryId: 'chg_1',
    kind: 'api_key',
    subject: 'key_47oJu8Rmoptz2RZvzs30qU',
    organizationId: null,
    changedAt: now,
    createdAt: now,
    state: 'undecided',
    decidedAt: null,
    decidedBy: null
  })
  await page.reload()
  await picture(page, 'servers-lost')
  t.strictSame(await findingsOn(visitor), [])
  await page.getByRole('button', { name: /^Accept what the database has/ }).click()
  await page.getByText('Lost changes').waitFor({ state: 'detached' })
  t.match((await admin('GET', '/lost-changes')).json.data, [{ state: 'accepted', decidedBy: id }])
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})

tap.test('an owner of an organization is offered no servers, and is refused in the words of the API', browser, async t => {
  const { id } = await createMember(server, { role: 'owner' })
  const { page, context } = await visitorOf(chromium, server, id, { javaScript: false })
  t.equal((await page.goto(serversPage))?.status(), 403)
  t.match(await page.getByRole('alert').textContent(), /requires a deployment-wide credential/)
  t.equal(await page.getByRole('link', { name: 'Servers', exact: true }).count(), 0)
  await context.close()
})

/** Invitations on the dashboard, in a real Chromium. */
import tap from 'tap'
import { browser, startBrowser } from '../support/browser.ts'
import { findingsOn, picture, visitorOf } from '../support/screens.ts'
import { createMember } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { issuer, admin } = server

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

const invitationsPage = `${issuer}/dashboard/invitations`

tap.test('a person is invited by e-mail, and the invitation is revoked by it', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'admin' })
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(invitationsPage)
  await page.getByText('No invitations yet.').waitFor()
  t.match(await page.getByRole('main').textContent(), `${issuer}/dashboard`, 'where to sign in')
  await page.getByText('Your organization trusts no provider').waitFor()
  await page.getByRole('link', { name: 'Invite a person' }).click()
  t.equal(await page.getByRole('option', { name: /^Owner/ }).count(), 0, 'owners alone make owners')
  await page.getByLabel('E-mail').fill('grace')
  await page.getByRole('button', { name: 'Invite' }).click()
  await page.locator('[aria-invalid]').waitFor()
  await picture(page, 'invitation-new')
  t.strictSame(await findingsOn(visitor), [])
  await page.getByLabel('E-mail').fill('grace@example.com')
  await page.getByLabel('Role').selectOption('viewer')
  await page.getByRole('button', { name: 'Invite' }).click()
  await page.getByRole('link', { name: 'Revoke grace@example.com' }).waitFor()
  await picture(page, 'invitations')
  t.strictSame(await findingsOn(visitor), [])
  const { json: { data: [made] } } = await admin('GET', `/invitations?organization=${organization}`)
  t.match(made, { email: 'grace@example.com', role: 'viewer', status: 'open' })
  await page.getByRole('link', { name: 'Revoke grace@example.com' }).click()
  await page.getByLabel(/to confirm/).fill('grace@example.com')
  await page.getByRole('button', { name: 'Revoke invitation' }).click()
  await page.waitForURL(invitationsPage)
  t.equal((await admin('GET', `/invitations/${made.id}`)).json.status, 'revoked')
  await page.getByLabel('State').selectOption('open')
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByText('No invitation is like that.').waitFor()
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})

tap.test('a viewer sees invitations, and neither makes nor revokes one, without JavaScript too', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'viewer' })
  await admin('POST', '/invitations', { organization, email: 'bob@example.com', role: 'viewer' })
  const { page, context } = await visitorOf(chromium, server, id, { javaScript: false })
  await page.goto(invitationsPage)
  await page.getByText('bob@example.com').waitFor()
  t.equal(await page.getByRole('link', { name: /Revoke|Invite/ }).count(), 0)
  await context.close()
})

/** Groups on the dashboard, in a real Chromium. */
import tap from 'tap'
import { browser, startBrowser } from '../support/browser.ts'
import { findingsOn, picture, strangeNames, visitorOf } from '../support/screens.ts'
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

const groupsPage = `${issuer}/dashboard/groups`

tap.test('a group is created, a member put in and taken out, its scopes changed, and it is deleted by its name', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'admin' })
  await createMember(server, { name: 'Grace', organization, role: 'viewer' })
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(groupsPage)
  await page.getByText('No groups yet.').waitFor()
  await page.getByRole('link', { name: 'Create group' }).click()
  await page.getByLabel('Name', { exact: true }).fill('A'.repeat(201))
  await page.getByLabel('Scopes').fill('invoices:read invoices:write')
  await page.getByRole('button', { name: 'Create group' }).click()
  await page.locator('#name[aria-invalid]').waitFor()
  t.equal(await page.getByLabel('Scopes').inputValue(), 'invoices:read invoices:write', 'what was typed is kept')
  await page.getByLabel('Name', { exact: true }).fill('Accounting')
  await page.getByRole('button', { name: 'Create group' }).click()
  await page.getByText('Nobody is in this group yet').waitFor()
  const apiPath = new URL(page.url()).pathname.replace('/dashboard', '')
  await page.getByLabel('Member', { exact: true }).selectOption({ label: 'Grace' })
  await page.getByRole('button', { name: 'Add to group' }).click()
  await page.getByRole('button', { name: 'Take out Grace' }).waitFor()
  await picture(page, 'group')
  t.strictSame(await findingsOn(visitor), [])
  await page.getByRole('button', { name: 'Take out Grace' }).click()
  await page.getByText('Nobody is in this group yet').waitFor()
  await page.getByLabel('Scopes').fill('invoices:read')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Group changed').first().waitFor()
  t.strictSame((await admin('GET', apiPath)).json.scopes, ['invoices:read'])
  await page.getByLabel('Scopes').fill('*')
  await admin('PATCH', apiPath, { description: 'Books' })
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('heading', { name: 'It was changed meanwhile' }).waitFor()
  t.match(await page.getByRole('row', { name: /Description/ }).textContent(), 'Books')
  t.strictSame((await admin('GET', apiPath)).json.scopes, ['invoices:read'])
  await page.goto(`${issuer}/dashboard${apiPath}`)
  await page.getByRole('link', { name: 'Delete group' }).click()
  t.strictSame(await findingsOn(visitor), [])
  await page.getByLabel('Type Accounting to confirm').fill('Accounting')
  await page.getByRole('button', { name: 'Delete group' }).click()
  await page.waitForURL(groupsPage)
  t.equal((await admin('GET', apiPath)).status, 404)
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})

tap.test('a viewer sees groups of whatever name, and changes none, without JavaScript too', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'viewer' })
  for (const name of strangeNames) {
    await admin('POST', '/groups', { organization, name, scopes: ['invoices:read'], description: name })
  }
  const visitor = await visitorOf(chromium, server, id)
  await visitor.page.goto(groupsPage)
  await visitor.page.getByText('3 groups, all shown').waitFor()
  t.equal(await visitor.page.getByRole('link', { name: 'Create group' }).count(), 0)
  await picture(visitor.page, 'groups')
  t.strictSame(await findingsOn(visitor), [])
  await visitor.context.close()
  const { page, context } = await visitorOf(chromium, server, id, { javaScript: false })
  await page.goto(groupsPage)
  await page.getByRole('link', { name: strangeNames[2]! }).click()
  await page.getByRole('heading', { name: strangeNames[2]! }).waitFor()
  t.equal(await page.getByRole('main').getByRole('button').count(), 0)
  await context.close()
})

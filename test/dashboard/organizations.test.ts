/** Organizations on the dashboard, in a real Chromium. */
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

const organizationsPage = `${issuer}/dashboard/organizations`

tap.test('an operator creates an organization, limits it, suspends it by its name, and resumes it', browser, async t => {
  for (const name of strangeNames) await server.createOrganization(name)
  const { id } = await createMember(server, { organization: 'org_operators', operator: true })
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(organizationsPage)
  await picture(page, 'organizations')
  t.strictSame(await findingsOn(visitor), [])
  await page.getByRole('link', { name: 'Create organization' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Initech')
  await page.getByRole('button', { name: 'Create organization' }).click()
  await page.getByRole('heading', { name: 'Initech' }).waitFor()
  const apiPath = new URL(page.url()).pathname.replace('/dashboard', '')
  await page.getByLabel(/^Calls a month/).fill('lots')
  await page.getByRole('button', { name: 'Save' }).first().click()
  await page.locator('.problem').or(page.getByRole('alert')).first().waitFor()
  await page.getByLabel(/^Calls a month/).fill('5000')
  await page.getByRole('button', { name: 'Save' }).first().click()
  await page.getByText('5,000').waitFor()
  await picture(page, 'organization')
  t.strictSame(await findingsOn(visitor), [])
  t.equal((await admin('GET', apiPath)).json.callsPerMonth, 5_000)
  await page.getByRole('link', { name: 'Suspend' }).click()
  await page.getByLabel('Type Initech to confirm').fill('Initech')
  await page.getByRole('button', { name: 'Suspend organization' }).click()
  await page.getByText('Suspended', { exact: true }).waitFor()
  t.equal((await admin('GET', apiPath)).json.status, 'suspended')
  await page.getByRole('button', { name: 'Resume organization' }).click()
  await page.getByRole('link', { name: 'Suspend' }).waitFor()
  t.equal((await admin('GET', apiPath)).json.status, 'active')

  await page.getByLabel('Credits to grant').fill('many')
  await page.getByLabel('Reason').fill('invoice 7')
  await page.getByRole('button', { name: 'Grant credits' }).click()
  await page.locator('#amount[aria-invalid]').waitFor()
  t.equal(await page.getByLabel('Reason').inputValue(), 'invoice 7', 'what was typed is kept')
  t.strictSame(await findingsOn(visitor), [])
  await page.getByLabel('Credits to grant').fill('1500')
  await page.getByRole('button', { name: 'Grant credits' }).click()
  await page.getByText('1,500').first().waitFor()
  t.match((await admin('GET', `${apiPath}/credits`)).json, { live: 1_500, test: 0 })

  await page.getByRole('link', { name: 'Delete' }).click()
  await page.getByLabel('Type Initech to confirm').fill('Umbrella')
  t.equal(await page.getByRole('button', { name: 'Delete organization' }).isDisabled(), true)
  await picture(page, 'organization-delete')
  t.strictSame(await findingsOn(visitor), [])
  t.equal((await admin('GET', apiPath)).json.status, 'active')
  await page.getByLabel('Type Initech to confirm').fill('Initech')
  await page.getByRole('button', { name: 'Delete organization' }).click()
  await page.waitForURL(organizationsPage)
  t.match((await admin('GET', apiPath)).json, { status: 'deleted' })
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})

tap.test('an admin names their own organization and decides about applications, without limits of it', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'admin' })
  const { page, context } = await visitorOf(chromium, server, id, { javaScript: false })
  await page.goto(`${issuer}/dashboard`)
  const places = page.getByRole('navigation', { name: 'Places' })
  await places.getByRole('link', { name: 'Organization', exact: true }).click()
  await page.waitForURL(`${organizationsPage}/${organization}`)
  await page.goto(organizationsPage)
  await page.getByText('One organization, all shown').waitFor()
  t.equal(await page.getByRole('link', { name: 'Create organization' }).count(), 0)
  await page.getByRole('main').getByRole('link', { name: 'Acme' }).click()
  t.equal(await page.getByLabel(/^Calls a month/).count(), 0)
  t.equal(await page.getByRole('link', { name: /Suspend|Delete/ }).count(), 0)
  t.equal(await page.getByRole('button', { name: 'Grant credits' }).count(), 0)
  await page.getByLabel('Name', { exact: true }).fill('Acme & Sons')
  await page.getByRole('button', { name: 'Save' }).first().click()
  await page.getByRole('heading', { name: 'Acme & Sons' }).waitFor()
  await page.getByLabel('Applications that registered themselves').selectOption('approve')
  await page.getByRole('button', { name: 'Save' }).last().click()
  await page.getByText('Organization changed').first().waitFor()
  t.match((await admin('GET', `/organizations/${organization}`)).json, {
    name: 'Acme & Sons', unverifiedClients: 'approve'
  })
  await context.close()
})

/** Policies on the dashboard, in a real Chromium. */
import tap from 'tap'
import { days, kinds } from '../../src/dashboard/policies/policy.ts'
import { credentialKinds } from '../../src/domain/policy/policy.ts'
import { days as knownDays } from '../../src/domain/policy/time-window.ts'
import { browser, startBrowser } from '../support/browser.ts'
import { findingsOn, picture, strangeNames, visitorOf } from '../support/screens.ts'
import { createMember } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { issuer, admin } = server
const policiesPage = `${issuer}/dashboard/policies`

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

tap.test('the form offers every kind of credential and every day', async t => {
  t.strictSame(kinds.map(([kind]) => kind), [...credentialKinds])
  t.strictSame(days.map(([day]) => day), [...knownDays])
})

tap.test('before a policy is made, changed or deleted the page shows who loses what, and nothing changes', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'admin' })
  const scopes = ['invoices:read', 'invoices:write']
  for (const name of strangeNames) await server.createKey({ organization, name, scopes })
  const key = await server.createKey({ organization, name: 'Nightly reports' })
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(policiesPage)
  await page.getByText('No policies yet.').waitFor()
  await page.getByRole('link', { name: 'Create policy' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Read only')
  await page.getByLabel('API keys').check()
  await page.getByRole('textbox', { name: 'Scopes' }).fill('*:write')
  await page.getByRole('button', { name: 'See who loses what' }).click()
  await page.getByText('3 credentials lose something, 0 gain something.').waitFor()
  t.match(await page.getByRole('row', { name: /quoted/ }).textContent(), /invoices:write/)
  t.equal(await page.getByRole('row', { name: /Nightly reports/ }).count(), 0)
  t.ok(await page.getByLabel('API keys').isChecked(), 'what was typed is kept')
  await picture(page, 'policy-impact')
  t.strictSame(await findingsOn(visitor), [])
  t.strictSame((await admin('GET', `/policies?organization=${organization}`)).json.data, [])
  await page.getByRole('button', { name: 'Create policy' }).click()
  await page.getByRole('heading', { name: 'Read only' }).waitFor()
  const apiPath = new URL(page.url()).pathname.replace('/dashboard', '')
  t.match((await admin('GET', apiPath)).json, {
    effect: 'deny', enabled: true, conditions: { kinds: ['api_key'], scopes: ['*:write'] }
  })
  await page.getByRole('link', { name: 'Change', exact: true }).click()
  await page.getByRole('textbox', { name: 'Scopes' }).fill('')
  await page.getByRole('button', { name: 'See who loses what' }).click()
  await page.getByText('4 credentials lose something').waitFor()
  t.equal((await server.withKey(key.key)).status, 200, 'a dry run refuses nothing')
  await page.getByRole('radio', { name: /^Off/ }).check()
  await page.getByRole('button', { name: 'Change policy' }).click()
  await page.getByText('Policy changed').first().waitFor()
  await picture(page, 'policy')
  t.strictSame(await findingsOn(visitor), [])
  t.match((await admin('GET', apiPath)).json, { enabled: false, conditions: { kinds: ['api_key'] } })
  await page.goto(policiesPage)
  await picture(page, 'policies')
  t.strictSame(await findingsOn(visitor), [])
  await page.getByRole('link', { name: 'Read only' }).click()
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByText('Nothing: no credential loses or gains anything.').waitFor()
  t.strictSame(await findingsOn(visitor), [])
  await page.getByLabel('Type Read only to confirm').fill('Read only')
  await page.getByRole('button', { name: 'Delete policy' }).click()
  await page.waitForURL(policiesPage)
  t.equal((await admin('GET', apiPath)).status, 404)
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})

tap.test('what the API has against a condition stands at its field, and a faster change is shown, without JavaScript too', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'admin' })
  const group = (await admin('POST', '/groups', { organization, name: 'Night shift', scopes: [] })).json
  const identifier = `https://${organization.slice(4).toLowerCase()}.test`
  await admin('POST', '/resources', { organization, identifier, name: 'Ledger', scopes: [{ name: 'read' }] })
  const { page, context } = await visitorOf(chromium, server, id, { javaScript: false })
  await page.goto(`${policiesPage}/new`)
  t.equal(await page.getByRole('textbox', { name: /Groups|APIs/ }).count(), 0, 'nothing is typed that can be chosen')
  await page.getByLabel('Night shift').check()
  await page.getByLabel('Ledger').check()
  await page.getByLabel('Name', { exact: true }).fill('Office')
  await page.getByRole('textbox', { name: 'Addresses' }).fill('the office')
  await page.getByRole('button', { name: 'Create policy' }).click()
  await page.getByRole('alert').or(page.locator('.problem')).first().waitFor()
  t.equal(await page.getByRole('textbox', { name: 'Addresses' }).inputValue(), 'the office')
  await page.getByRole('textbox', { name: 'Addresses' }).fill('203.0.113.0/24')
  await page.getByLabel('Name', { exact: true }).fill('Office alone')
  await page.getByRole('radio', { name: /^Off/ }).check()
  await page.getByRole('button', { name: 'Create policy' }).click()
  await page.getByRole('heading', { name: 'Office alone' }).waitFor()
  await page.getByText('groups: Night shift').waitFor()
  const apiPath = new URL(page.url()).pathname.replace('/dashboard', '')
  t.match((await admin('GET', apiPath)).json.conditions, { groups: [group.id], resources: [identifier] })
  await page.getByRole('link', { name: 'Change', exact: true }).click()
  t.ok(await page.getByLabel('Night shift').isChecked())
  await admin('PATCH', apiPath, { name: 'Head office' })
  await page.getByLabel('Description (optional)').fill('No travel')
  await page.getByRole('button', { name: 'Change policy' }).click()
  await page.getByRole('heading', { name: 'It was changed meanwhile' }).waitFor()
  t.match(await page.getByRole('main').textContent(), /Head office\s*Office alone/)
  t.match((await admin('GET', apiPath)).json, { name: 'Head office', description: null })
  await context.close()
  const viewer = await createMember(server, { role: 'viewer', organization })
  const other = await visitorOf(chromium, server, viewer.id)
  await other.page.goto(`${issuer}/dashboard${apiPath}`)
  await other.page.getByRole('heading', { name: 'Head office' }).waitFor()
  t.equal(await other.page.getByRole('main').getByRole('link', { name: 'Change', exact: true }).count(), 0)
  t.equal(await other.page.getByRole('button', { name: 'Delete' }).count(), 0)
  await other.context.close()
})

tap.test('a policy that refuses the person who makes it takes a box to be ticked; after it their pages are 403', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'admin' })
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(`${policiesPage}/new`)
  await page.getByLabel('Name', { exact: true }).fill('Office')
  await page.getByRole('radio', { name: /^Allow/ }).check()
  await page.getByRole('textbox', { name: 'Addresses' }).fill('203.0.113.0/24')
  await page.getByLabel('API keys').check()
  await page.getByRole('button', { name: 'See who loses what' }).click()
  await page.getByText('What it would change').waitFor()
  t.equal(await page.getByText('It binds members who are signed in').count(), 0, 'a policy about keys alone does not')
  await page.getByLabel('API keys').uncheck()
  await page.getByRole('button', { name: 'See who loses what' }).click()
  await page.getByText('It would refuse you, from the address where you are now').waitFor()
  t.strictSame(await findingsOn(visitor), [])
  await page.getByRole('button', { name: 'Create policy' }).click()
  await page.getByText('After this your own session would be refused from 127.0.0.1').waitFor()
  t.strictSame((await admin('GET', `/policies?organization=${organization}`)).json.data, [], 'it is not made')
  t.strictSame(await findingsOn(visitor), [])
  await picture(page, 'policy-locks-out')
  await page.getByLabel('Do it all the same').check()
  await page.getByRole('button', { name: 'Create policy' }).click()
  await page.getByText('An access policy does not allow this request.').waitFor()
  t.equal((await page.goto(policiesPage))?.status(), 403)
  await visitor.context.close()
})

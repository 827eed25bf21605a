/** Signing keys on the dashboard, in a real Chromium. */
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

const keysPage = `${issuer}/dashboard/signing-keys`

tap.test('an operator rotates the signing key, and revokes one by its id', browser, async t => {
  const { id } = await createMember(server, { organization: 'org_operators', operator: true })
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(keysPage)
  const before = (await admin('GET', '/signing-keys')).json.data.length
  await page.getByRole('link', { name: 'Rotate', exact: true }).click()
  t.strictSame(await findingsOn(visitor), [])
  await page.getByRole('button', { name: 'Rotate key' }).click()
  await page.waitForURL(keysPage)
  const { json: { data: keys } } = await admin('GET', '/signing-keys')
  t.equal(keys.length, before + 1)
  await picture(page, 'signing-keys')
  t.strictSame(await findingsOn(visitor), [])
  const { id: kid } = keys[0]
  await page.getByRole('link', { name: `Revoke ${kid}` }).click()
  await page.getByLabel(`Type ${kid} to confirm`).fill(kid)
  await page.getByLabel('Reason (optional)').fill('drill')
  await page.getByRole('button', { name: 'Revoke signing key' }).click()
  await page.waitForURL(keysPage)
  t.match((await admin('GET', `/signing-keys/${kid}`)).json, { state: 'revoked', revokedReason: 'drill' })
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})

tap.test('an owner of an organization is offered no signing keys, and is refused in the words of the API', browser, async t => {
  const { id } = await createMember(server, { role: 'owner' })
  const { page, context } = await visitorOf(chromium, server, id, { javaScript: false })
  await page.goto(`${issuer}/dashboard`)
  t.equal(await page.getByRole('link', { name: 'Signing keys' }).count(), 0)
  t.equal(await page.getByText('Deployment', { exact: true }).count(), 0)
  const answer = await page.goto(keysPage)
  t.equal(answer?.status(), 403)
  t.match(await page.getByRole('alert').textContent(), 'Reading the signing keys requires a deployment-wide credential')
  await context.close()
})

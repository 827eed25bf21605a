/** The dashboard in a real Chromium: the main job of each screen, axe, and pictures to look at. */
import tap from 'tap'
import type { BrowserContext } from 'playwright-core'
import { browser, startBrowser } from '../support/browser.ts'
import { findingsOfAxe, openPage } from '../support/pages.ts'
import { createMember, signIn } from '../support/people.ts'
import { confirmWrongly, picture } from '../support/screens.ts'
import { startServer } from '../support/test-server.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { issuer } = server

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

async function withSession (context: BrowserContext, memberId: string): Promise<void> {
  const [name, value] = (await signIn(server, memberId)).cookie.split('=') as [string, string]
  await context.addCookies([{ name, value, url: issuer }])
}

tap.test('CD-02: a key is made, shown once, found in the list, and revoked by its name', browser, async t => {
  const { id } = await createMember(server, { role: 'admin' })
  const context = await chromium.newContext({ reducedMotion: 'reduce' })
  await withSession(context, id)
  const { page, complaints, cdp } = await openPage(context)
  await page.goto(`${issuer}/dashboard/api-keys`)
  await picture(page, 'keys-empty')
  await page.getByRole('link', { name: 'Create API key' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Nightly reports')
  await picture(page, 'key-new')
  t.strictSame(await findingsOfAxe(cdp), [])
  await page.getByRole('button', { name: 'Create API key' }).click()
  const text = await page.getByLabel('Nightly reports').textContent()
  t.match(text, /^lk_live_|^lb_live_/)
  await picture(page, 'key-once')
  t.strictSame(await findingsOfAxe(cdp), [])
  await page.reload()
  t.equal(await page.getByLabel('Nightly reports').textContent(), text, 'a reload shows the same key')
  await page.getByRole('button', { name: 'I have saved it' }).click()
  await picture(page, 'key')
  t.strictSame(await findingsOfAxe(cdp), [])
  await page.goto(`${issuer}/dashboard/api-keys`)
  await picture(page, 'keys')
  t.strictSame(await findingsOfAxe(cdp), [])
  await page.getByRole('link', { name: 'Revoke Nightly reports' }).click()
  await picture(page, 'key-revoke')
  await confirmWrongly(t, page, 'Nightly reports', 'Revoke key')
  await page.getByLabel('Type Nightly reports to confirm').fill('Nightly reports')
  await page.getByRole('button', { name: 'Revoke key' }).click()
  await page.getByRole('region').getByText('Revoked').waitFor()
  t.equal((await server.withKey(text!)).status, 401)
  t.strictSame(complaints, [])
  await context.close()
})

tap.test('a key is disabled with a reason, says so, and is enabled again with the same text', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'admin' })
  const made = await server.createKey({ organization, name: 'Till', creator: id })
  const status = async () => (await server.withKey(made.key)).status
  const context = await chromium.newContext({ reducedMotion: 'reduce' })
  await withSession(context, id)
  const { page, complaints, cdp } = await openPage(context)
  t.equal(await status(), 200)
  await page.goto(`${issuer}/dashboard/api-keys/${made.id}`)
  await page.getByLabel('Reason (optional)').fill('lost till')
  await page.getByRole('button', { name: 'Disable key' }).click()
  await page.getByText('lost till').waitFor()
  t.equal(await status(), 401)
  t.strictSame(await findingsOfAxe(cdp), [])
  t.equal(await page.getByRole('link', { name: 'Replace key' }).count(), 0)
  await picture(page, 'key-disabled')
  await page.goto(`${issuer}/dashboard/api-keys?status=disabled`)
  await page.getByRole('region').getByText('Disabled', { exact: true }).waitFor()
  t.equal(await page.getByRole('link', { name: 'Revoke Till' }).count(), 1)
  await page.getByRole('link', { name: 'Till', exact: true }).click()
  await page.getByRole('button', { name: 'Enable key' }).click()
  await page.getByRole('button', { name: 'Disable key' }).waitFor()
  t.equal(await status(), 200)
  t.strictSame(complaints, [])
  await context.close()
})

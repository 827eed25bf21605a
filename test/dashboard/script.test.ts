/** What the script of the dashboard adds: copying, dialogs, dangerous buttons that wait, forms that are sent once. */
import tap from 'tap'
import { browser, startBrowser } from '../support/browser.ts'
import { visitor } from '../support/screens.ts'
import { startServer } from '../support/test-server.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

tap.test('a key is made in a dialog, by the keyboard; Escape closes it and gives the focus back', browser, async t => {
  const viewer = await visitor(server, chromium)
  const { page } = viewer
  await viewer.visit('/api-keys')
  const opener = page.getByRole('link', { name: 'Create API key' })
  await opener.press('Enter')
  const dialog = page.getByRole('dialog', { name: 'Create API key' })
  await dialog.waitFor()
  await viewer.look(t, 'dialog-key-new')
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  t.equal(await page.evaluate('document.activeElement.textContent'), 'Create API key')
  await opener.press('Enter')
  await dialog.getByRole('link', { name: 'Cancel' }).click()
  await dialog.waitFor({ state: 'detached' })
  await opener.click()
  await dialog.getByLabel('Name', { exact: true }).fill('Nightly reports')
  await dialog.getByRole('button', { name: 'Create API key' }).dblclick()
  await page.getByRole('heading', { name: 'Save your key now' }).waitFor()
  const { data } = (await server.admin('GET', `/api-keys?organization=${viewer.organization}`)).json
  t.equal(data.length, 1, 'a double click makes one')
  await viewer.leave(t)
})

tap.test('a secret is copied, and once it is saved no reload and no way back shows it', browser, async t => {
  const viewer = await visitor(server, chromium)
  const { page, context } = viewer
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await viewer.visit('/api-keys/new')
  await page.getByLabel('Name', { exact: true }).fill('Till')
  await page.getByRole('button', { name: 'Create API key' }).click()
  const text = (await page.getByLabel('Till', { exact: true }).textContent())!
  await page.getByRole('button', { name: 'Copy Till' }).click()
  await page.getByRole('status').getByText('Copied').waitFor()
  t.equal(await page.evaluate('navigator.clipboard.readText()'), text)
  await page.reload()
  t.equal(await page.getByLabel('Till', { exact: true }).textContent(), text, 'a reload shows it')
  await page.getByRole('button', { name: 'I have saved it' }).click()
  await page.getByRole('heading', { name: 'Till' }).waitFor()
  // The browser asks whether to send the form again, and shows nothing of it.
  await t.rejects(page.goBack(), /ERR_CACHE_MISS/)
  await page.waitForLoadState()
  t.equal(await page.getByText(text).count(), 0, 'nor does the way back')
  const { data } = (await server.admin('GET', `/api-keys?organization=${viewer.organization}`)).json
  t.equal(data.length, 1)
  await viewer.leave(t)
})

tap.test('the button that revokes waits for the name, and the key is refused after it', browser, async t => {
  const viewer = await visitor(server, chromium)
  const { page, id: creator, organization } = viewer
  const { key } = await server.createKey({ organization, name: 'Old  importer', creator })
  await viewer.visit('/api-keys')
  await page.getByRole('link', { name: 'Revoke Old importer' }).click()
  const dialog = page.getByRole('dialog')
  const revoke = dialog.getByRole('button', { name: 'Revoke key' })
  t.ok(await revoke.isDisabled())
  await dialog.getByLabel('Type Old importer to confirm').fill('Old')
  t.ok(await revoke.isDisabled())
  await viewer.look(t, 'dialog-key-revoke')
  await dialog.getByLabel('Type Old importer to confirm').fill('Old importer')
  t.notOk(await revoke.isDisabled())
  await revoke.click()
  await page.getByRole('region').getByText('Revoked').waitFor()
  t.equal((await server.withKey(key)).status, 401)
  await viewer.leave(t)
})

tap.test('without scripts the same pages ask for the name, and refuse another one', browser, async t => {
  const viewer = await visitor(server, chromium, { javaScript: false })
  const { page, id: creator, organization } = viewer
  const { key } = await server.createKey({ organization, name: 'Till', creator })
  await viewer.visit('/api-keys')
  await page.getByRole('link', { name: 'Revoke Till' }).click()
  await page.getByLabel('Type Till to confirm').fill('till')
  await page.getByRole('button', { name: 'Revoke key' }).click()
  await page.getByText('Type Till to revoke it.').waitFor()
  t.equal((await server.withKey(key)).status, 200)
  await page.getByLabel('Type Till to confirm').fill('Till')
  await page.getByRole('button', { name: 'Revoke key' }).click()
  await page.getByRole('region').getByText('Revoked').waitFor()
  t.equal((await server.withKey(key)).status, 401)
  await viewer.leave(t)
})

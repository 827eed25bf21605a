/** The screens of publishable keys in a real Chromium. */
import tap from 'tap'
import { browser, startBrowser } from '../support/browser.ts'
import { clickTwice, confirmWrongly, longNames, visitor } from '../support/screens.ts'
import { startServer } from '../support/test-server.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { admin, issuer } = server

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

tap.test('a publishable key is made once, its private key is shown once, and it is revoked by its name', browser, async t => {
  const { page, organization, visit, look, leave } = await visitor(server, chromium)
  await visit('/publishable-keys')
  await look(t, 'publishable-keys-empty')
  await page.getByRole('link', { name: 'Create publishable key' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Shop')
  await page.getByLabel('API', { exact: true }).selectOption(issuer)
  await look(t, 'publishable-key-new')
  await clickTwice(page, 'Create publishable key')
  const pem = (await page.getByLabel('Private key of Shop', { exact: true }).textContent())!
  t.match(pem, /^-----BEGIN PRIVATE KEY-----/)
  await look(t, 'publishable-key-once')
  await page.reload()
  t.equal(await page.getByLabel('Private key of Shop', { exact: true }).textContent(), pem)
  await page.getByRole('button', { name: 'I have saved it' }).click()
  const made = (await admin('GET', `/publishable-keys?organization=${organization}`)).json.data
  t.equal(made.length, 1, 'a double click makes one')
  t.strictSame(made[0].scopes, ['company:read', 'invoices:read'])
  t.notMatch(server.lines.join(''), pem.split('\n')[1]!)
  await page.getByRole('link', { name: 'Revoke Shop' }).click()
  await confirmWrongly(t, page, 'Shop', 'Revoke key')
  await look(t, 'publishable-key-revoke')
  await page.getByLabel('Type Shop to confirm').fill('Shop')
  await page.getByRole('button', { name: 'Revoke key' }).click()
  await page.getByRole('region').getByText('Revoked').waitFor()
  t.not((await admin('GET', `/publishable-keys/${made[0].id}`)).json.revokedAt, null)
  await leave(t)
})

tap.test('without JavaScript, for a viewer: strange names, an empty filter, and nothing that is refused', browser, async t => {
  const owner = await visitor(server, chromium)
  const { organization } = owner
  for (const name of longNames) {
    await admin('POST', '/publishable-keys', {
      organization, name, resource: issuer, environment: 'test', scopes: ['invoices:read']
    })
  }
  await owner.visit('/publishable-keys')
  await owner.look(t, 'publishable-keys')
  await owner.leave(t)
  const { page, visit, leave } = await visitor(
    server, chromium, { organization, role: 'viewer', name: 'Vera', javaScript: false }
  )
  await visit('/publishable-keys')
  await page.getByText('4 keys, all shown').waitFor()
  t.equal(await page.getByRole('link', { name: /^(Revoke|Create)/ }).count(), 0)
  await page.getByLabel('State').selectOption('Revoked')
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByText('No key is like that.').waitFor()
  await leave(t)
})

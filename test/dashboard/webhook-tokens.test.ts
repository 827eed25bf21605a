/** The screens of webhook tokens in a real Chromium. */
import tap from 'tap'
import { browser, startBrowser } from '../support/browser.ts'
import { clickTwice, confirmWrongly, longNames, visitor } from '../support/screens.ts'
import { startServer } from '../support/test-server.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { admin } = server

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

tap.test('a webhook token is made once, shown once, and revoked by its object', browser, async t => {
  const { page, id, organization, visit, look, leave } = await visitor(server, chromium)
  await visit('/webhook-tokens/new')
  await page.getByText('You have no API key yet').waitFor()
  await server.createKey({ organization, name: 'Of somebody else' })
  await server.createKey({ organization, name: 'Orders', creator: id })
  await visit('/webhook-tokens')
  await look(t, 'webhook-tokens-empty')
  await page.getByRole('link', { name: 'Create webhook token' }).click()
  await page.getByLabel('Kind of object').fill('templates')
  await page.getByLabel('Id of the object').fill('tpl_1')
  t.equal(await page.getByText('Of somebody else').count(), 0, 'a token for it would be refused')
  await look(t, 'webhook-token-new')
  await clickTwice(page, 'Create webhook token')
  const token = (await page.getByLabel('templates/tpl_1', { exact: true }).textContent())!
  t.match(token, /^whk_/)
  await look(t, 'webhook-token-once')
  await page.reload()
  t.equal(await page.getByLabel('templates/tpl_1', { exact: true }).textContent(), token)
  await page.getByRole('button', { name: 'I have saved it' }).click()
  const made = (await admin('GET', `/webhook-tokens?organization=${organization}`)).json.data
  t.equal(made.length, 1, 'a double click makes one')
  t.notMatch(server.lines.join(''), token)
  await page.getByRole('link', { name: 'Revoke templates/tpl_1' }).click()
  await confirmWrongly(t, page, 'templates/tpl_1', 'Revoke token')
  await look(t, 'webhook-token-revoke')
  await page.getByLabel('Type templates/tpl_1 to confirm').fill('templates/tpl_1')
  await page.getByRole('button', { name: 'Revoke token' }).click()
  await page.getByRole('region').getByText('Revoked').waitFor()
  t.not((await admin('GET', `/webhook-tokens/${made[0].id}`)).json.revokedAt, null)
  await leave(t)
})

tap.test('without JavaScript, for a viewer: strange names, an empty filter, and nothing that is refused', browser, async t => {
  const owner = await visitor(server, chromium)
  const { organization } = owner
  for (const name of longNames) {
    const key = await server.createKey({ organization, name })
    await admin('POST', '/webhook-tokens', { apiKey: key.id, object: { type: 'templates', id: name.slice(0, 120) } })
  }
  await owner.visit('/webhook-tokens')
  await owner.look(t, 'webhook-tokens')
  await owner.leave(t)
  const { page, visit, leave } = await visitor(
    server, chromium, { organization, role: 'viewer', name: 'Vera', javaScript: false }
  )
  await visit('/webhook-tokens')
  await page.getByText('4 tokens, all shown').waitFor()
  t.equal(await page.getByRole('link', { name: /^(Revoke|Create)/ }).count(), 0)
  await page.getByLabel('State').selectOption('Revoked')
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByText('No token is like that.').waitFor()
  await leave(t)
})

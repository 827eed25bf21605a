/** The screens of APIs and MCP servers in a real Chromium, and the lines that they take from the guides. */
import tap from 'tap'
import { frameworksOf, snippetsFor } from '../../src/dashboard/apis/snippets.ts'
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

tap.test('the guides have the lines of each framework, and no name of an example is left in them', async t => {
  const names = {
    issuer: 'https://auth.own.test',
    id: 'res_own',
    identifier: 'https://invoices.own.test/v1',
    scopes: ['orders:read', 'orders:write']
  }
  for (const framework of [...frameworksOf['/resources'], ...frameworksOf['/mcp-servers']]) {
    const snippets = snippetsFor(framework, names)
    const text = snippets.map(each => each.text).join('\n')
    t.ok(snippets.every(each => each.text.trim().length > 40), framework.name)
    t.notMatch(text, /acme\.test|localhost:3000|localhost:8000\/mcp|invoices:(read|write)|tools:call|RESOURCE_ID|\.LATCHKEY_/, framework.name)
    t.notMatch(text, /^[+-](?!-)/m, `${framework.name} is no difference`)
    t.match(text, /orders:read/, framework.name)
    t.match(text, framework.id === 'nginx' ? 'res_own' : names.issuer, framework.name)
  }
})

tap.test('an API is declared once, described, protected, changed, narrowed, and ends by its name', browser, async t => {
  const { page, organization, visit, look, leave } = await visitor(server, chromium)
  await visit('/apis')
  await look(t, 'apis')
  await page.getByRole('link', { name: 'Declare API' }).click()
  await page.getByLabel('Address').fill('not an address')
  await page.getByLabel('Name of scope 1').fill('orders:read')
  await page.getByLabel('Description of scope 1').fill('Read the orders')
  await page.getByLabel('Name of scope 2').fill('orders:sign')
  await page.getByLabel('Keys only').nth(1).check()
  await page.getByRole('button', { name: 'Declare API' }).click()
  t.equal(await page.getByLabel('Address').getAttribute('aria-invalid'), 'true')
  await look(t, 'api-new')
  await page.getByLabel('Address').fill('https://orders.test')
  await page.getByLabel('Name (optional)').fill('Orders')
  await clickTwice(page, 'Declare API')
  await page.getByRole('heading', { name: 'Orders', level: 1 }).waitFor()
  const declared = (await admin('GET', `/resources?organization=${organization}`)).json.data
  t.equal(declared.length, 1, 'a double click makes one')
  t.strictSame(declared[0].scopes, [
    { name: 'orders:read', keyOnly: false, description: 'Read the orders' },
    { name: 'orders:sign', keyOnly: true, description: null },
  ])
  t.match(await page.getByRole('region', { name: 'Without a credential' }).textContent(), 'application/problem+json')
  await look(t, 'api')

  await page.getByRole('radio', { name: 'error, code, details' }).check()
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByRole('region', { name: 'Without a credential' }).getByText('"UNAUTHORIZED"').waitFor()
  await page.getByLabel('Name of scope 3').fill('orders "write"')
  await page.getByRole('button', { name: 'Save scopes' }).click()
  await page.getByRole('alert').waitFor()
  t.equal(await page.getByLabel('Name of scope 3').inputValue(), 'orders "write"', 'what was typed is kept')
  await look(t, 'api-scopes-refused')
  await page.getByLabel('Name of scope 3').fill('orders:write')
  await page.getByLabel('Description of orders:read').fill('Read all orders')
  await admin('PATCH', `/resources/${declared[0].id}`, {
    scopes: [...declared[0].scopes, { name: 'orders:meanwhile' }]
  })
  await page.getByRole('button', { name: 'Save scopes' }).click()
  await page.getByLabel('Description of orders:write').waitFor()
  const { scopes } = (await admin('GET', `/resources/${declared[0].id}`)).json
  t.strictSame(scopes.map(({ name, keyOnly, description }: Record<string, unknown>) => [name, keyOnly, description]), [
    ['orders:read', false, 'Read all orders'], ['orders:sign', true, null], ['orders:meanwhile', false, null],
    ['orders:write', false, null]
  ], 'what somebody else declared meanwhile stays')
  await page.getByRole('link', { name: 'Remove orders:sign' }).click()
  await look(t, 'api-scope-remove')
  await page.getByLabel('Type orders:sign to confirm').fill('orders:sign')
  await page.getByRole('button', { name: 'Remove scope' }).click()
  await page.getByLabel('Description of orders:write').waitFor()
  t.equal(await page.getByText('orders:sign').count(), 0)

  await page.getByRole('link', { name: 'Protect it' }).click()
  await page.getByText("server: '" + issuer).waitFor()
  await look(t, 'api-protect')
  for (const { name } of frameworksOf['/resources']) {
    await page.getByRole('link', { name, exact: true }).click()
    await page.getByRole('heading', { name, level: 2 }).waitFor()
  }
  await page.getByRole('link', { name: 'Make the client' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Guard of orders')
  await page.getByRole('button', { name: 'Create client' }).click()
  await page.getByLabel('Secret of Guard of orders').waitFor()
  const [guard] = (await admin('GET', `/clients?organization=${organization}`)).json.data
  t.match(guard, { grants: [], introspects: ['https://orders.test'] })

  await visit(`/apis/${declared[0].id}/revoke`)
  await confirmWrongly(t, page, 'Orders', 'Revoke API')
  await look(t, 'api-revoke')
  await page.getByLabel('Type Orders to confirm').fill('Orders')
  await page.getByRole('button', { name: 'Revoke API' }).click()
  await page.getByRole('region').getByText('Revoked').waitFor()
  await visit('/apis?status=revoked')
  await page.getByText('One API, all shown').waitFor()
  await leave(t)
})

tap.test('an MCP server is declared without JavaScript, and its default scopes are chosen', browser, async t => {
  const { page, organization, visit, leave } = await visitor(server, chromium, { javaScript: false })
  await visit('/mcp-servers')
  await page.getByText('No MCP servers yet.').waitFor()
  await page.getByRole('link', { name: 'Declare MCP server' }).click()
  await page.getByLabel('URL').fill('https://tools.test/mcp')
  await page.getByLabel('Name (optional)').fill('Tools')
  await page.getByLabel('Name of scope 1').fill('tools:call')
  await page.getByRole('button', { name: 'Declare MCP server' }).click()
  await page.getByRole('checkbox', { name: 'tools:call' }).check()
  await page.getByRole('button', { name: 'Save default scopes' }).click()
  const [made] = (await admin('GET', `/mcp-servers?organization=${organization}`)).json.data
  t.strictSame(made.defaultScopes, ['tools:call'])
  await page.getByText(made.metadataUrl, { exact: true }).waitFor()
  await page.getByRole('link', { name: 'Protect it' }).click()
  await page.getByText(issuer).first().waitFor()
  await leave(t)
  const seen = await visitor(server, chromium, { organization, name: 'Vera', role: 'viewer' })
  await seen.visit(`/mcp-servers/${made.id}`)
  await seen.look(t, 'mcp-server-viewer')
  t.equal(await seen.page.locator('main').getByRole('button').count(), 0, 'a viewer is offered nothing')
  t.equal(await seen.page.getByRole('link', { name: /Revoke|Remove/ }).count(), 0)
  await seen.leave(t)
})

tap.test('long and strange names, and what belongs to the deployment, which an organization is not offered to change', browser, async t => {
  const { page, organization, visit, look, leave } = await visitor(server, chromium)
  let number = 0
  for (const name of longNames) {
    const identifier = `https://strange${number++}.test/${'long/'.repeat(60)}`
    await admin('POST', '/resources', {
      organization, identifier, name, scopes: [{ name: 'x'.repeat(128), description: name }]
    })
    await admin('POST', '/mcp-servers', { organization, identifier: `${identifier}mcp`, name, scopes: [] })
  }
  await visit('/apis')
  await look(t, 'apis-strange')
  await visit('/mcp-servers')
  await look(t, 'mcp-servers-strange')
  await page.getByRole('link', { name: '<script>' }).click()
  await look(t, 'mcp-server')
  await visit('/apis')
  await page.getByRole('link', { name: '<script>' }).click()
  await look(t, 'api-strange')
  await visit('/apis/res_host')
  t.equal(await page.locator('main').getByRole('button').count(), 0)
  t.equal(await page.getByRole('link', { name: /Revoke/ }).count(), 0)
  await leave(t)
})

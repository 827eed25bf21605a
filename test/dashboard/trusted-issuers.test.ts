/** The screens of trusted issuers in a real Chromium. */
import tap from 'tap'
import { browser, startBrowser } from '../support/browser.ts'
import { confirmWrongly, longNames, visitor } from '../support/screens.ts'
import { startServer } from '../support/test-server.ts'
import { make, newPlatform } from '../support/workload-platform.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { admin } = server

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

tap.test('an issuer is trusted from a preset, gets a rule, is tried with a token, and ends', browser, async t => {
  const { page, organization, visit, look, leave } = await visitor(server, chromium)
  const platform = await newPlatform('https://cluster.acme.test')
  await visit('/trusted-issuers')
  await page.getByText('No issuer is trusted yet').waitFor()
  await look(t, 'trusted-issuers-empty')
  await page.getByRole('link', { name: 'Trust an issuer' }).click()
  await page.getByLabel('Name').fill('Production')
  await page.getByLabel('Platform').selectOption('kubernetes')
  await page.getByRole('button', { name: 'Trust issuer' }).click()
  await page.getByText('Issuers of kubernetes differ: send its iss in issuer.').waitFor()
  await page.getByLabel('Issuer', { exact: true }).fill(platform.issuer)
  await page.getByLabel('Keys', { exact: true }).fill(JSON.stringify(platform.jwks))
  await look(t, 'trusted-issuer-new')
  await page.getByRole('button', { name: 'Trust issuer' }).click()
  await page.getByText('No rule yet: its workloads get nothing.').waitFor()
  await page.getByRole('link', { name: 'Add a rule' }).click()
  await page.getByLabel('Name').fill('Web')
  await page.getByLabel('Value').fill('*')
  await page.getByLabel('API', { exact: true }).fill(server.issuer)
  await page.getByLabel('Scopes').fill('invoices:read')
  await page.getByRole('button', { name: 'Add rule' }).click()
  await page.getByText('would be met by every assertion').first().waitFor()
  await page.getByLabel('Value').fill('system:serviceaccount:prod:*')
  await look(t, 'workload-rule-new')
  await page.getByRole('button', { name: 'Add rule' }).click()
  await page.getByText('/sub = system:serviceaccount:prod:*').waitFor()
  await look(t, 'trusted-issuer')
  const aud = `${server.issuer}/organizations/${organization}`
  const tried = async (sub: string) => {
    const token = await platform.token({ sub, aud })
    await page.getByLabel('Token of the platform').fill(token)
    await page.getByRole('button', { name: 'Try' }).click()
    t.notMatch(server.lines.join(''), token)
  }
  await tried('system:serviceaccount:prod:web')
  await page.getByText('Accepted').waitFor()
  await tried('system:serviceaccount:dev:web')
  await page.getByText('which is not "system:serviceaccount:prod:*"').waitFor()
  await look(t, 'trusted-issuer-tried')
  await page.getByRole('link', { name: 'Production' }).click()
  await page.getByRole('link', { name: 'Delete Web' }).click()
  await confirmWrongly(t, page, 'Web', 'Delete rule')
  await page.getByLabel('Type Web to confirm').fill('Web')
  await page.getByRole('button', { name: 'Delete rule' }).click()
  await page.getByText('No rule yet').waitFor()
  await page.getByRole('link', { name: 'Delete issuer' }).click()
  await page.getByLabel('Type Production to confirm').fill('Production')
  await page.getByRole('button', { name: 'Delete issuer' }).click()
  await page.getByText('No issuer is trusted yet').waitFor()
  t.strictSame((await admin('GET', `/trusted-issuers?organization=${organization}`)).json.data, [])
  await leave(t)
})

tap.test('without JavaScript, for a viewer: strange names, and nothing that is refused', browser, async t => {
  const owner = await visitor(server, chromium)
  const { organization } = owner
  for (const name of longNames) {
    const { id } = await make(server, '/trusted-issuers', { organization, name, issuer: 'https://cluster.acme.test' })
    await make(server, '/workload-rules', {
      issuer: id, name, claims: [{ claim: '/sub', value: name.slice(0, 100) }], resource: server.issuer, scopes: []
    })
  }
  await owner.visit('/trusted-issuers')
  await owner.look(t, 'trusted-issuers')
  await owner.page.getByRole('row').nth(1).getByRole('link').first().click()
  await owner.look(t, 'trusted-issuer-strange')
  await owner.leave(t)
  const { page, visit, leave } = await visitor(
    server, chromium, { organization, role: 'viewer', name: 'Vera', javaScript: false }
  )
  await visit('/trusted-issuers')
  await page.getByText('4 issuers, all shown').waitFor()
  t.equal(await page.getByRole('link', { name: /^(Delete|Trust an|Add)/ }).count(), 0)
  await page.getByRole('row').nth(1).getByRole('link').first().click()
  await page.getByRole('cell', { name: 'itself' }).waitFor()
  t.equal(await page.getByRole('link', { name: /^(Delete|Trust an|Add)/ }).count(), 0)
  await leave(t)
})

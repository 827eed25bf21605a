/** Usage on the dashboard, in a real Chromium. */
import tap from 'tap'
import { browser, startBrowser } from '../support/browser.ts'
import { findingsOn, picture, strangeNames, visitorOf } from '../support/screens.ts'
import { createMember } from '../support/people.ts'
import { startServer, type Json } from '../support/test-server.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { issuer, admin, latchkey: { operation: { store } } } = server
const usagePage = `${issuer}/dashboard/usage`

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

/** The day so many days ago, UTC. */
const dayBefore = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)

tap.test('calls by day and key, limits as bars, and tokens are those of the API', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'viewer' })
  await admin('PATCH', `/organizations/${organization}`, { callsPerMonth: 5_000, callsPerMinute: 600 })
  await admin('POST', `/organizations/${organization}/credits`, { environment: 'live', amount: 1_234, reason: 'test' })
  const keys = []
  for (const name of strangeNames) keys.push(await server.createKey({ organization, name }))
  const trial = await server.createKey({ organization, name: 'Trial', environment: 'test', callsPerMonth: 100 })
  await store.usage.add([...keys, trial].flatMap(({ id: consumerId }, index) =>
    [0, 10, 40].map(days => ({ consumerId, day: dayBefore(days), calls: 100 * (index + 1), credits: index }))))
  const client = await server.createClient({ organization, name: 'Billing robot' })
  await server.send({
    method: 'POST',
    path: '/api/v1/auth/token',
    body: new URLSearchParams({
      grant_type: 'client_credentials', client_id: client.clientId, client_secret: client.clientSecret
    })
  })
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(usagePage)
  const figures = page.locator('.figures')
  t.match(await figures.textContent(), 'Calls with live keys1,200')
  t.match(await figures.textContent(), 'Calls with test keys800')
  t.match(await figures.textContent(), 'Credits left, live1,234')
  const { json: month } = await admin('GET', `/organizations/${organization}/usage`)
  const used: number = month.live.calls + month.test.calls
  t.match(await page.locator('.limits').textContent(), `${used.toLocaleString('en')} of 5,000`)
  t.match(await page.getByRole('row', { name: /Trial/ }).textContent(), /of 100, used up/)
  t.match(await page.locator('section', { hasText: 'Access tokens' }).textContent(), /One token for 1 client.*Billing robot/s)
  await picture(page, 'usage')
  t.strictSame(await findingsOn(visitor), [])
  await page.getByLabel('Range').selectOption('90')
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByText('Calls, 90 days').waitFor()
  t.match(await figures.textContent(), 'Calls with live keys1,800')
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})

tap.test('an organization without keys says what will stand there, also without JavaScript', browser, async t => {
  const { id } = await createMember(server, { role: 'viewer' })
  const { page, context } = await visitorOf(chromium, server, id, { javaScript: false })
  await page.goto(usagePage)
  await page.getByText('No API keys yet. What they do will stand here.').waitFor()
  await page.getByText('None were issued.').waitFor()
  await context.close()
})

tap.test('an operator chooses the organization; others see their own, whatever they ask for', browser, async t => {
  const { id: eve, organization } = await createMember(server, { role: 'owner' })
  const { id } = await createMember(server, { organization: 'org_operators', operator: true })
  const key = await server.createKey({ organization, name: 'Theirs' })
  const visitor = await visitorOf(chromium, server, id)
  await visitor.page.goto(usagePage)
  t.equal(await visitor.page.getByText('Theirs').count(), 0)
  await visitor.page.getByLabel('Organization').selectOption(organization)
  await visitor.page.getByRole('button', { name: 'Show' }).click()
  await visitor.page.getByRole('link', { name: 'Theirs' }).waitFor()
  t.strictSame(await findingsOn(visitor), [])
  await visitor.context.close()
  const other = await createMember(server, { role: 'owner' })
  const stranger = await visitorOf(chromium, server, other.id)
  await stranger.page.goto(`${usagePage}?organization=${organization}`)
  t.equal(await stranger.page.getByText('Theirs').count(), 0)
  await stranger.context.close()
  t.ok(eve && (key as Json).id)
})

/** The overview of the dashboard, in a real Chromium. */
import tap from 'tap'
import { browser, startBrowser } from '../support/browser.ts'
import { findingsOn, picture, strangeNames, visitorOf } from '../support/screens.ts'
import { createMember } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { issuer, admin, latchkey: { operation: { store } } } = server
const overview = `${issuer}/dashboard`

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

/** The day so many days ago, UTC. */
const dayBefore = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)

tap.test('the first steps are ticked off by what is made, are done with the first real call, and are gone a day later', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'admin' })
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  const steps = page.locator('section', { hasText: 'First steps' })
  await page.goto(overview)
  t.match(await steps.getByRole('status').textContent(), '2 of 3 to do.', 'the API of the test is declared')
  await picture(page, 'overview-new')
  t.strictSame(await findingsOn(visitor), [])
  const unscripted = await visitorOf(chromium, server, id, { javaScript: false })
  await unscripted.page.goto(overview)
  await unscripted.page.getByRole('link', { name: 'Create API key' }).click()
  await unscripted.page.getByLabel('Name', { exact: true }).waitFor()
  await unscripted.context.close()
  const key = await server.createKey({ organization, name: 'First', creator: id })
  await page.goto(overview)
  t.match(await steps.getByRole('status').textContent(), '1 of 3 to do.')
  t.equal(await steps.getByRole('link').count(), 0)
  t.equal((await server.withKey(key.key)).status, 200)
  await eventually(
    async () => (await admin('GET', `/api-keys/${key.id}`)).json.lastUsedAt, found => found !== null
  )
  await page.goto(overview)
  t.match(await steps.getByRole('status').textContent(), 'All is done')
  t.equal(await page.getByText('Done', { exact: true }).count(), 3)
  await picture(page, 'overview-first-call')
  await store.usage.add([{ consumerId: key.id, day: dayBefore(1), calls: 1, credits: 0 }])
  await page.goto(overview)
  t.equal(await steps.count(), 0)
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})

tap.test('a viewer sees numbers of the API, and no way to make what they may not', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'viewer' })
  const keys = []
  for (const name of strangeNames) keys.push(await server.createKey({ organization, name }))
  const soon = new Date(Date.now() + 5 * 86_400_000).toISOString()
  const ending = await server.createKey({ organization, name: 'Partner export', expiresAt: soon })
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(overview)
  t.equal(await page.getByRole('link', { name: 'Create API key' }).count(), 0)
  const month = Array.from({ length: 30 }, (_, index) => index)
  await store.usage.add(keys.flatMap(({ id: consumerId }, index) =>
    month.map(days => ({ consumerId, day: dayBefore(days), calls: (30 - days) * (index + 1), credits: 0 }))))
  for (const { key } of keys) await server.withKey(key)
  await admin('POST', `/api-keys/${ending.id}/revoke`)
  const late = await server.createKey({ organization, name: 'Nightly reports', expiresAt: soon })
  await server.withKey(ending.key)
  await eventually(
    async () => (await admin('GET', `/audit?subject=${ending.id}&type=credential.refused`)).json.data,
    found => found.length === 1
  )
  await eventually(
    async () => (await admin('GET', `/api-keys?organization=${organization}&sort=lastUsedAt`)).json.data,
    found => found.filter(({ lastUsedAt }: { lastUsedAt: string | null }) => lastUsedAt !== null).length >= 3
  )
  const { json: usage } = await admin('GET', `/organizations/${organization}/usage?from=${dayBefore(29)}`)
  await page.goto(overview)
  const calls = Number(usage.live.calls).toLocaleString('en')
  t.match(await page.locator('.figures').textContent(), `Calls, 30 days${calls}`)
  t.match(await page.locator('section', { hasText: 'Most used keys' }).getByRole('listitem').first().textContent(),
    strangeNames[2]!)
  t.match(await page.locator('section', { hasText: 'End soon' }).textContent(), 'Nightly reports')
  const week = await admin('GET', `/organizations/${organization}/usage?from=${dayBefore(6)}`)
  t.match(
    await page.locator('section', { hasText: 'Admitted and refused' }).textContent(),
    new RegExp(`Admitted\\s*${Number(week.json.live.calls).toLocaleString('en')}\\s*Refused: revoked\\s*1`)
  )
  t.match(await page.locator('section', { hasText: 'Refused most' }).getByRole('listitem').allTextContents(),
    [/Partner export\s*revoked\s*latest: just now1$/])
  t.equal(await page.getByText('First steps').count(), 0)
  t.equal(await page.getByText('Servers and database').count(), 0)
  await picture(page, 'overview')
  t.strictSame(await findingsOn(visitor), [])
  t.strictSame(visitor.complaints, [])
  t.ok(late.id)
  await visitor.context.close()
})

tap.test('a day with far more refusals than usual stands out, with the way to its events', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'viewer' })
  for (let number = 0; number < 12; number++) {
    const key = await server.createKey({ organization, name: `Old ${number}` })
    await admin('POST', `/api-keys/${key.id}/revoke`)
    await server.withKey(key.key)
  }
  await eventually(
    async () => (await admin('GET', `/audit?organization=${organization}&type=credential.refused`)).json.data,
    found => found.length === 12
  )
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(overview)
  t.match(await page.locator('section', { hasText: 'Far more refusals' }).textContent(), '12 events')
  await picture(page, 'overview-spike')
  t.strictSame(await findingsOn(visitor), [])
  await page.getByRole('link', { name: `Credential refused, ${dayBefore(0)}` }).click()
  await page.getByText('12 events, all shown').waitFor()
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})

tap.test('an operator sees the verdicts of this server by outcome, the servers and the database', browser, async t => {
  const { id } = await createMember(server, { organization: 'org_operators', operator: true })
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(overview)
  await page.getByText('Servers and database').waitFor()
  t.match(await page.locator('section', { hasText: 'Servers and database' }).textContent(), /Ready.*all up to date/s)
  t.match(await page.locator('section', { hasText: 'Verdicts of this server' }).textContent(), /Refused: revoked\s*1\d/)
  await picture(page, 'overview-operator')
  t.strictSame(await findingsOn(visitor), [])
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})

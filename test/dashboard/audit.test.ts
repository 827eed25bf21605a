/** The audit log on the dashboard, in a real Chromium. */
import tap from 'tap'
import { auditEventTypes } from '../../src/domain/audit/event.ts'
import { areas, wordsOf } from '../../src/dashboard/audit/words.ts'
import { browser, startBrowser } from '../support/browser.ts'
import { findingsOn, picture, strangeNames, visitorOf } from '../support/screens.ts'
import { createMember } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { issuer, admin } = server
const auditPage = `${issuer}/dashboard/audit`

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

tap.test('every event has words for people, and every area that is offered has events', async t => {
  for (const type of auditEventTypes) t.not(wordsOf(type), type)
  const offered = areas.flatMap(({ prefix, events }) => Object.keys(events).map(event => prefix + event))
  t.strictSame(offered.filter(type => !auditEventTypes.some(each => each === type)), [])
  t.equal(new Set(offered).size, offered.length)
})

/** An organization in which keys were made, one was revoked, and that one was presented. */
async function busyOrganization () {
  const { id, organization } = await createMember(server, { role: 'admin', name: strangeNames[0] })
  const keys = []
  for (const name of strangeNames) keys.push(await server.createKey({ organization, name, creator: id }))
  const old = await server.createKey({ organization, name: 'Old laptop script', creator: id })
  await admin('POST', `/api-keys/${old.id}/revoke`, { reason: 'left on a train' })
  await server.withKey(old.key)
  await eventually(
    async () => (await admin('GET', `/audit?subject=${old.id}&type=credential.refused`)).json.data,
    found => found.length === 1
  )
  return { id, organization, old }
}

tap.test('events are narrowed by type, by subject and by a pasted key, and shown with their details', browser, async t => {
  const { id, old } = await busyOrganization()
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(auditPage)
  const rows = await page.getByRole('row').filter({ has: page.getByRole('rowheader') }).count()
  const events = page.getByRole('img', { name: /^Events: / })
  t.match(await events.getAttribute('aria-label'), new RegExp(`^Events: ${rows} .*, 1 of them refusals`))
  await picture(page, 'audit')
  t.strictSame(await findingsOn(visitor), [])
  await page.getByLabel('Event', { exact: true }).selectOption('credential.refused')
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByText('One event, all shown').waitFor()
  const row = page.getByRole('row').nth(1)
  t.match(await row.textContent(), /Credential refused.*revoked/s)
  await row.getByText('Credential refused', { exact: false }).first().click()
  await row.getByText('Request', { exact: true }).waitFor()
  await picture(page, 'audit-details')
  t.strictSame(await findingsOn(visitor), [])
  await page.goto(auditPage)
  await page.getByLabel('About').fill(old.key)
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByText('3 events, all shown').waitFor()
  t.match(new URL(page.url()).search, `?subject=${old.id}`, 'the key itself stands in no address')
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})

tap.test('what matches nothing says so, and what the API refuses is said at its field with what was typed', browser, async t => {
  const { id } = await createMember(server, { role: 'viewer' })
  const visitor = await visitorOf(chromium, server, id, { javaScript: false })
  const { page } = visitor
  await page.goto(`${auditPage}?type=policy.deleted`)
  await page.getByText('No event is like that.').waitFor()
  t.equal(await page.getByLabel('Event', { exact: true }).inputValue(), 'policy.deleted')
  await page.getByRole('link', { name: 'Show all events' }).click()
  await page.waitForURL(auditPage)
  await page.goto(`${auditPage}?type=x.y&from=2026-01-01`)
  t.match(await page.getByRole('alert').textContent(), 'There is no event type x.y.')
  t.equal(await page.getByLabel('From').inputValue(), '2026-01-01')
  await page.goto(`${auditPage}?from=soon`)
  t.match(await page.getByRole('alert').textContent(), /from/)
  await page.goto(auditPage)
  await page.getByLabel('About').fill(`lk_live_${'a'.repeat(33)}`)
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByRole('alert').waitFor()
  t.equal(await page.getByLabel('About').inputValue(), '', 'a secret is not sent back')
  await visitor.context.close()
})

tap.test('a member sees the newest row of their chain, and exports its rows alone', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'viewer' })
  const visitor = await visitorOf(chromium, server, id)
  const { page, context } = visitor
  await page.goto(auditPage)
  const href = await page.getByRole('link', { name: 'Export' }).getAttribute('href')
  const exported = await (await context.request.get(issuer + href)).text()
  const rows = exported.trim().split('\n').map(line => JSON.parse(line))
  t.ok(rows.length > 0 && rows.every(({ chain }) => chain === organization))
  await page.getByRole('link', { name: 'Chain', exact: true }).click()
  await page.getByText(/The operators of this deployment verify/).waitFor()
  t.equal(await page.getByRole('row').count(), 2)
  await picture(page, 'audit-chain')
  t.strictSame(await findingsOn(visitor), [])
  t.strictSame(visitor.complaints, [])
  await context.close()
})

tap.test('an operator narrows events by organization, and verifies every row', browser, async t => {
  const { organization } = await busyOrganization()
  const { id } = await createMember(server, { organization: 'org_operators', operator: true })
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(`${auditPage}?organization=${organization}&type=organization.created`)
  await page.getByText('One event, all shown').waitFor()
  await page.getByRole('link', { name: 'Verify the chain' }).click()
  await page.getByText('Every row is as it was written.').waitFor()
  await picture(page, 'audit-verified')
  t.strictSame(await findingsOn(visitor), [])
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})

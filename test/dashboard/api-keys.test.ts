/** Keys that take each other's place, on the dashboard, in a real Chromium. */
import tap from 'tap'
import { browser, startBrowser } from '../support/browser.ts'
import { findingsOn, picture, visitorOf } from '../support/screens.ts'
import { createMember } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { issuer, admin } = server
const pageOf = (id: string) => `${issuer}/dashboard/api-keys/${id}`

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

async function lastUse (id: string): Promise<string | null> {
  return (await admin('GET', `/api-keys/${id}`)).json.lastUsedAt
}

tap.test('the pages of both keys say whether the old one is still used, and it is revoked before its overlap ends', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'admin' })
  const old = await server.createKey({ organization, name: 'Nightly job', creator: id })
  await server.withKey(old.key)
  const before = await eventually(() => lastUse(old.id), found => found !== null)
  // The replacement falls into a later second than the first use.
  await eventually(() => new Date().toISOString(), now => now.slice(0, 19) > before!.slice(0, 19))
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(pageOf(old.id))
  t.equal(await page.getByText('Replacement').count(), 0)
  await page.getByRole('link', { name: 'Replace key' }).click()
  await page.getByRole('button', { name: 'Replace key' }).click()
  await page.getByRole('button', { name: 'I have saved it' }).click()
  await page.getByText('Nothing has used the old key since it was replaced.').waitFor()
  await picture(page, 'key-replacement')
  t.strictSame(await findingsOn(visitor), [])
  t.equal((await server.withKey(old.key)).status, 200, 'both work')
  await eventually(() => lastUse(old.id), found => found !== before)
  await page.reload()
  await page.getByText('The old key is still used').waitFor()
  await page.getByRole('row', { name: /old/ }).getByRole('link', { name: 'Nightly job' }).click()
  await page.waitForURL(pageOf(old.id))
  await page.getByText('The old key is still used').waitFor()
  t.match(await page.getByRole('row', { name: /old/ }).getByRole('cell').last().textContent(), '2')
  t.equal(await page.getByRole('link', { name: 'Replace key' }).count(), 0)
  t.strictSame(await findingsOn(visitor), [])
  await page.goto(`${issuer}/dashboard/api-keys`)
  await page.getByText('Replaced, still works').waitFor()
  await page.goto(`${pageOf(old.id)}/revoke`)
  t.equal(await page.getByRole('main').getByRole('link', { name: 'replace it instead' }).count(), 0)
  await page.getByLabel('Type Nightly job to confirm').fill('Nightly job')
  await page.getByRole('button', { name: 'Revoke key' }).click()
  await page.waitForURL(`${issuer}/dashboard/api-keys`)
  t.equal((await server.withKey(old.key)).status, 401)
  await page.goto(pageOf(old.id))
  await page.getByText('The old key works no longer.').waitFor()
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})

tap.test('replacing is offered to the member of a key alone, as the API allows it', browser, async t => {
  const owner = await createMember(server, { role: 'owner' })
  const { organization } = owner
  const grace = await createMember(server, { organization, role: 'admin', name: 'Grace' })
  const theirs = await server.createKey({ organization, name: 'Reports', creator: grace.id })
  const visitor = await visitorOf(chromium, server, owner.id)
  const { page } = visitor
  await page.goto(pageOf(theirs.id))
  await page.getByText('Only they can replace it').waitFor()
  t.match(await page.getByRole('main').textContent(), 'Grace')
  t.equal(await page.getByRole('link', { name: 'Replace key' }).count(), 0)
  t.equal(await page.getByRole('link', { name: 'Revoke key' }).count(), 1)
  await page.goto(`${pageOf(theirs.id)}/rotate`)
  await page.getByRole('button', { name: 'Replace key' }).click()
  await page.getByRole('heading', { name: 'Not allowed' }).waitFor()
  await visitor.context.close()
})

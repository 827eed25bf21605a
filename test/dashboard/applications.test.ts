/** The screens of applications that act for members, in a real Chromium. */
import tap from 'tap'
import { allowedBy, createAskingClient } from '../support/authorizing.ts'
import { browser, startBrowser } from '../support/browser.ts'
import { createMember } from '../support/people.ts'
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

const statuses = async (organization: string): Promise<string[]> =>
  (await admin('GET', `/authorizations?organization=${organization}`)).json.data.map(
    ({ status }: { status: string }) => status
  )

tap.test('an administrator sees who allowed what, and ends one, a consent, and all of an application', browser, async t => {
  const { page, organization, visit, look, leave } = await visitor(server, chromium)
  await visit('/applications')
  await page.getByText('No application acts for a member.').waitFor()
  await look(t, 'applications-empty')
  const [bea, cid] = [
    await createMember(server, { organization, name: 'Bea' }), await createMember(server, { organization, name: 'Cid' })
  ]
  const [agent, other] = [await createAskingClient(server), await createAskingClient(server, {}, { name: 'Till' })]
  await allowedBy(server, bea.id, agent.id, ['invoices:read'])
  await allowedBy(server, cid.id, agent.id, ['invoices:read', 'invoices:write'])
  await allowedBy(server, cid.id, other.id, ['company:read'])
  await visit('/applications')
  await page.getByText('3 installations, all shown').waitFor()
  await look(t, 'applications')
  await page.getByRole('link', { name: 'End Till' }).click()
  await confirmWrongly(t, page, 'Till', 'End access')
  t.match(await page.getByRole('main').textContent(), /Cid allowed it company:read .*It was never used\./s)
  await look(t, 'application-end')
  await page.getByLabel('Type Till to confirm').fill('Till')
  await page.getByRole('button', { name: 'End access' }).click()
  await page.getByRole('region').getByText('Ended').waitFor()
  t.strictSame((await statuses(organization)).sort(), ['active', 'active', 'ended'])

  await page.getByRole('link', { name: 'Remembered' }).click()
  await page.getByText('3 consents, all shown').waitFor()
  await look(t, 'consents')
  await page.getByRole('row').filter({ hasText: 'Bea' }).getByRole('link', { name: /^End/ }).click()
  await page.getByLabel('Type Weather Agent to confirm').fill('Weather Agent')
  await page.getByRole('button', { name: 'End consent' }).click()
  await page.getByText('2 consents, all shown').waitFor()
  t.strictSame((await statuses(organization)).sort(), ['active', 'ended', 'ended'])
  await page.getByRole('link', { name: 'In use' }).click()
  await page.getByRole('link', { name: 'Weather Agent' }).first().click()
  await page.getByText('2 installations, all shown').waitFor()
  await page.getByRole('link', { name: 'End all of this application' }).click()
  await page.getByText('1 in use, 1 remembered.').waitFor()
  await look(t, 'application-end-all')
  await page.getByLabel('Type Weather Agent to confirm').fill('Weather Agent')
  await page.getByRole('button', { name: 'End all' }).click()
  await page.getByText('2 installations, all shown').waitFor()
  t.strictSame(await statuses(organization), ['ended', 'ended', 'ended'])
  t.equal((await admin('GET', `/consents?organization=${organization}&client=${agent.id}`)).json.data.length, 0)
  await leave(t)
})

tap.test('an application is approved once, and the approval is taken back', browser, async t => {
  const { page, organization, visit, look, leave } = await visitor(server, chromium)
  await visit('/applications/approvals')
  await page.getByLabel('Client id').fill('cli_nowhere')
  await page.getByRole('button', { name: 'Approve application' }).click()
  t.equal(await page.getByLabel('Client id').inputValue(), 'cli_nowhere', 'what was typed is kept')
  t.equal(await page.getByLabel('Client id').getAttribute('aria-invalid'), 'true')
  await look(t, 'approval-refused')
  const agent = await createAskingClient(server, {}, { origin: 'registered' })
  await page.getByLabel('Client id').fill(agent.id)
  await clickTwice(page, 'Approve application')
  await page.getByText('One approval, all shown').waitFor()
  await look(t, 'approvals')
  t.equal((await admin('GET', `/client-approvals?organization=${organization}`)).json.data.length, 1)
  await page.getByRole('link', { name: 'Take back Weather Agent' }).click()
  await page.getByLabel('Type Weather Agent to confirm').fill('Weather Agent')
  await page.getByRole('button', { name: 'Take approval back' }).click()
  await page.getByText('No application is approved.').waitFor()
  await leave(t)
})

tap.test('without JavaScript: a registration token is made, shown once, registers a client, and ends', browser, async t => {
  const { page, organization, visit, leave } = await visitor(server, chromium, { javaScript: false })
  await visit('/applications/registration')
  await page.getByRole('link', { name: 'Create registration token' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Agents')
  await page.getByRole('radio', { name: 'Custom' }).check()
  await page.getByRole('button', { name: 'Create registration token' }).click()
  await page.getByRole('alert').getByText('Choose at least one scope.').waitFor()
  t.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'Agents', 'what was typed is kept')
  await page.getByRole('radio', { name: 'Read only' }).check()
  await page.getByLabel('API', { exact: true }).selectOption(issuer)
  await page.getByRole('button', { name: 'Create registration token' }).click()
  const token = (await page.getByLabel('Agents').textContent())!
  const registered = await server.send({
    method: 'POST',
    path: '/api/v1/oauth/register',
    headers: { authorization: `Bearer ${token}` },
    body: { client_name: 'Agent 1', grant_types: ['client_credentials'] }
  })
  t.equal(registered.status, 201, registered.text)
  await page.getByRole('button', { name: 'I have saved it' }).click()
  await page.getByRole('region').getByText('Used up').waitFor()
  await page.getByRole('link', { name: 'Clients that registered themselves' }).click()
  await page.getByRole('link', { name: 'Agent 1', exact: true }).waitFor()
  const second = await server.createRegistrationToken({ organization, name: 'Second' })
  await visit('/applications/registration')
  await page.getByRole('link', { name: 'End Second' }).click()
  await page.getByLabel('Type Second to confirm').fill('Second')
  await page.getByRole('button', { name: 'End token' }).click()
  await page.getByRole('region').getByText('Ended').waitFor()
  t.not((await admin('GET', `/registration-tokens/${second.id}`)).json.revokedAt, null)
  await leave(t)
  const { look, ...seen } = await visitor(server, chromium, { organization })
  await seen.visit('/applications/registration')
  await look(t, 'registration')
  await seen.visit('/applications/registration/new')
  await look(t, 'registration-new')
  await seen.leave(t)
})

tap.test('an operator claims a client that registered openly', browser, async t => {
  const [operators] = (await admin('GET', '/organizations?name=Operators')).json.data
  const { page, visit, look, leave } = await visitor(server, chromium, { organization: operators.id, operator: true })
  const agent = await createAskingClient(server, {}, { origin: 'registered', name: 'Unclaimed' })
  await visit(`/clients/${agent.id}`)
  await look(t, 'client-unclaimed')
  await page.getByRole('button', { name: 'Claim client' }).click()
  await page.getByRole('heading', { name: 'Unclaimed', level: 1 }).waitFor()
  t.equal(await page.getByRole('button', { name: 'Claim client' }).count(), 0)
  t.equal((await admin('GET', `/clients/${agent.id}`)).json.organization, operators.id)
  await leave(t)
})

tap.test('strange names, and a viewer, who is offered no end', browser, async t => {
  const { organization, id, leave } = await visitor(server, chromium)
  for (const name of longNames) {
    const agent = await createAskingClient(server, {}, { name, origin: 'registered' })
    await allowedBy(server, id, agent.id, ['invoices:read'])
    await admin('POST', '/client-approvals', { organization, client: agent.id })
    await server.createRegistrationToken({ organization, name })
  }
  const viewer = await visitor(server, chromium, { organization, name: 'Vera', role: 'viewer' })
  for (const name of ['', 'consents', 'approvals', 'registration']) {
    await viewer.visit(`/applications/${name}`.replace(/\/$/, ''))
    await viewer.look(t, `applications-strange-${name}`)
    t.equal(await viewer.page.getByRole('link', { name: /^(End|Take back|Create)/ }).count(), 0)
  }
  await viewer.leave(t)
  await leave(t)
})

/** The screens of skills and third-party sources in a real Chromium. */
import tap from 'tap'
import { skillFile, zip } from '../support/archives.ts'
import { browser, startBrowser } from '../support/browser.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { clickTwice, confirmWrongly, visitor } from '../support/screens.ts'
import { startServer } from '../support/test-server.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const host = await startDocumentHost(tap)
const server = await startServer({ issuer: port => `http://localhost:${port}`, network: host.network })
const { admin } = server

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

async function publish (organization: string, version: string): Promise<void> {
  await server.send({
    method: 'POST',
    path: `/api/v1/skills?organization=${organization}&version=${version}`,
    headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/zip' },
    body: zip([{ name: 'SKILL.md', content: skillFile('pdf-forms', 'license: "<b>Apache</b>"\n') }])
  })
}

tap.test('OC-19: versions of skills are listed and shown, and one is yanked by its name', browser, async t => {
  const { page, organization, visit, look, leave } = await visitor(server, chromium)
  await visit('/skills')
  await page.getByText('No skills yet').waitFor()
  await look(t, 'skills-empty')
  await visit('/skills/publish')
  await look(t, 'skill-publish')
  await publish(organization, '1.0.0')
  await publish(organization, '1.0.1')
  await visit('/skills')
  await look(t, 'skills')
  await page.getByRole('link', { name: 'pdf-forms@1.0.0' }).click()
  await page.getByText('<b>Apache</b>').waitFor()
  await page.getByText(/^sha256:[0-9a-f]{64}$/).waitFor()
  await look(t, 'skill')
  await page.getByRole('link', { name: 'Yank version' }).click()
  await confirmWrongly(t, page, 'pdf-forms@1.0.0', 'Yank version')
  await page.getByLabel('Type pdf-forms@1.0.0 to confirm').fill('pdf-forms@1.0.0')
  await page.getByLabel(/reason/i).fill('leaks names')
  await page.getByRole('button', { name: 'Yank version' }).click()
  await page.getByText('leaks names').waitFor()
  t.equal(await page.getByRole('link', { name: 'Yank version' }).count(), 0)
  t.match((await admin('GET', `/skills/pdf-forms@1.0.0?organization=${organization}`)).json, { status: 'yanked' })
  await leave(t)
})

tap.test('OC-19: a version of a skill is published by a file, once; what is wrong with it is said', browser, async t => {
  const { page, organization, visit, leave } = await visitor(server, chromium, { javaScript: false })
  await visit('/skills')
  await page.getByRole('link', { name: 'Publish version' }).click()
  const choose = async (content: string) => await page.getByLabel('Archive').setInputFiles({
    name: 'pdf-forms.zip', mimeType: 'application/zip', buffer: zip([{ name: 'SKILL.md', content }])
  })
  await choose('no front matter')
  await page.getByLabel('Version').fill('1.0.0')
  await page.getByRole('button', { name: 'Publish version' }).click()
  await page.getByRole('alert').getByText('front matter').waitFor()
  t.equal(await page.getByLabel('Version').inputValue(), '1.0.0', 'what was typed is kept')
  await choose(skillFile('pdf-forms'))
  await page.getByRole('button', { name: 'Publish version' }).click()
  await page.getByRole('heading', { name: 'pdf-forms@1.0.0' }).waitFor()
  await visit('/skills/publish')
  await choose(skillFile('pdf-forms', 'license: MIT\n'))
  await page.getByLabel('Version').fill('1.0.0')
  await page.getByRole('button', { name: 'Publish version' }).click()
  await page.getByRole('alert').getByText('with another content; a version never changes').waitFor()
  t.equal((await admin('GET', `/skills?organization=${organization}`)).json.data.length, 1)
  await leave(t)
})

tap.test('OC-19: a third-party source is added once, asked and removed; no page has its header', browser, async t => {
  const { page, organization, visit, look, leave } = await visitor(server, chromium)
  await visit('/third-party-sources')
  await page.getByText('No third-party sources yet').waitFor()
  await page.getByRole('link', { name: 'Add source' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Official')
  await page.getByLabel('URL').fill('http://plain.example/')
  await page.getByLabel('Header', { exact: true }).fill('Authorization')
  await page.getByLabel('Value of the header').fill('Bearer secret-51ab')
  await page.getByRole('button', { name: 'Add source' }).click()
  await page.getByRole('alert').getByText('is not https').waitFor()
  t.notMatch(await page.content(), 'secret-51ab')
  await look(t, 'source-new')
  await page.getByLabel('URL').fill('https://listed.example/')
  await page.getByLabel('Value of the header').fill('Bearer secret-51ab')
  await clickTwice(page, 'Add source')
  await page.getByText('https://listed.example/').waitFor()
  t.equal((await admin('GET', `/third-party-sources?organization=${organization}`)).json.data.length, 1)
  host.serves('https://listed.example/', { servers: [] })
  await page.getByRole('button', { name: 'Ask now Official' }).click()
  await page.getByText('Answered 200').waitFor()
  host.serves('https://listed.example/', '{}')
  await page.getByRole('button', { name: 'Ask now Official' }).click()
  await page.getByText('has no list of servers').waitFor()
  t.notMatch(await page.content(), 'secret-51ab')
  await look(t, 'sources')
  await page.getByRole('link', { name: 'Remove Official' }).click()
  await page.getByLabel('Type Official to confirm').fill('Official')
  await page.getByRole('button', { name: 'Remove source' }).click()
  await page.getByText('No third-party sources yet').waitFor()
  await leave(t)
})

tap.test('OC-19: a viewer sees what there is, and no button that is refused', browser, async t => {
  const owner = await visitor(server, chromium)
  await publish(owner.organization, '1.0.0')
  await owner.leave(t)
  const { page, visit, leave } = await visitor(
    server, chromium, { organization: owner.organization, role: 'viewer', name: 'Vera', javaScript: false }
  )
  await visit('/skills')
  await page.getByRole('link', { name: 'pdf-forms@1.0.0' }).click()
  t.equal(await page.getByRole('link', { name: /Yank/ }).count(), 0)
  await visit('/third-party-sources')
  t.equal(await page.getByRole('link', { name: /Add|Remove/ }).count(), 0)
  await leave(t)
})

tap.test('an operator publishes a skill, and adds a source, for the organization that they choose', browser, async t => {
  const { page, visit, leave } = await visitor(server, chromium, {
    organization: 'org_operators', operator: true, javaScript: false
  })
  const { id: organization } = await server.createOrganization('Chosen')
  await visit('/skills/publish')
  await page.getByLabel('Organization').selectOption('Chosen')
  await page.getByLabel('Archive').setInputFiles({
    name: 'x.zip', mimeType: 'application/zip', buffer: zip([{ name: 'SKILL.md', content: skillFile('pdf-forms') }])
  })
  await page.getByLabel('Version').fill('1.0')
  await page.getByRole('button', { name: 'Publish version' }).click()
  await page.getByRole('alert').waitFor()
  t.equal(await page.getByLabel('Organization').inputValue(), organization, 'what was chosen is kept')
  await page.getByLabel('Archive').setInputFiles({
    name: 'x.zip', mimeType: 'application/zip', buffer: zip([{ name: 'SKILL.md', content: skillFile('pdf-forms') }])
  })
  await page.getByLabel('Version').fill('1.0.0')
  await page.getByRole('button', { name: 'Publish version' }).click()
  await page.getByRole('heading', { name: 'pdf-forms@1.0.0' }).waitFor()
  t.equal((await admin('GET', `/skills?organization=${organization}`)).json.data.length, 1)
  await visit('/third-party-sources/new')
  await page.getByLabel('Organization').selectOption('Chosen')
  await page.getByLabel('Name', { exact: true }).fill('Official')
  await page.getByLabel('URL').fill('https://listed.example/')
  await page.getByRole('button', { name: 'Add source' }).click()
  await page.getByText('https://listed.example/').first().waitFor()
  t.equal((await admin('GET', `/third-party-sources?organization=${organization}`)).json.data.length, 1)
  await leave(t)
})

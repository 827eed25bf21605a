/** The screens of trusted issuers in a real Chromium. */
import type { Page } from 'playwright-core'
import tap, { type Test } from 'tap'
import { issuerAlgorithms } from '../../src/domain/workloads/key-set.ts'
import { reviewPath, startCluster } from '../support/api-server.ts'
import { browser, startBrowser } from '../support/browser.ts'
import { makeAuthority } from '../support/certificates.ts'
import { confirmWrongly, longNames, visitor } from '../support/screens.ts'
import { startServer } from '../support/test-server.ts'
import { make, newPlatform, type Platform } from '../support/workload-platform.ts'

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
  await page.getByLabel('Value 1').fill('*')
  await page.getByLabel('API', { exact: true }).selectOption(server.issuer)
  await page.getByLabel('Scopes').fill('invoices:read')
  await page.getByRole('button', { name: 'Add rule' }).click()
  await page.getByText('would be met by every assertion').first().waitFor()
  await page.getByLabel('Value 1').fill('system:serviceaccount:prod:*')
  await page.getByLabel('How claim 1 is compared').selectOption(':/')
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

tap.test('without JavaScript: every setting of an issuer and of a rule is set, and changed later', browser, async t => {
  const { page, organization, visit, leave } = await visitor(server, chromium, { javaScript: false })
  const platform = await newPlatform('https://idp.acme.test')
  const { certificate: authority } = makeAuthority()
  await visit('/trusted-issuers/new')
  await page.getByLabel('Name').fill('Build')
  await page.getByLabel('Platform').selectOption('custom')
  await page.getByLabel('Issuer', { exact: true }).fill(platform.issuer)
  await page.getByLabel('URL of its keys').fill('https://keys.acme.test/jwks')
  await page.getByLabel('Authority of that URL').fill(authority)
  await page.getByText('Other than usual on the platform').click()
  await page.getByLabel('Further audiences').fill('https://vault.acme.test\nbuild')
  const offered = await page.locator('[name=algorithm]').all()
  t.strictSame(await Promise.all(offered.map(box => box.getAttribute('value'))), [...issuerAlgorithms])
  await page.getByLabel('ES384').check()
  await page.getByLabel('Longest life of a token').fill('1')
  await page.getByLabel('Once').check()
  await page.getByLabel('Claims that tenants cannot choose').fill('/sub\n/pipeline')
  await page.getByRole('button', { name: 'Trust issuer' }).click()
  await page.getByText('maxAge').first().waitFor()
  t.equal(await page.getByLabel('Further audiences').inputValue(), 'https://vault.acme.test\nbuild', 'it is kept')
  await page.getByLabel('Longest life of a token').fill('900')
  await page.getByRole('button', { name: 'Trust issuer' }).click()
  await page.getByText('No rule yet').waitFor()
  const [{ id }] = (await admin('GET', `/trusted-issuers?organization=${organization}`)).json.data
  const issuer = async () => (await admin('GET', `/trusted-issuers/${id}`)).json
  t.match(await issuer(), {
    preset: 'custom',
    profile: 'workload',
    jwksUri: 'https://keys.acme.test/jwks',
    ca: authority.trim(),
    audiences: ['https://vault.acme.test', 'build'],
    algorithms: ['ES384'],
    maxAge: 900,
    singleUse: true,
    anchors: ['/sub', '/pipeline']
  })
  await page.getByRole('link', { name: 'Change', exact: true }).click()
  await page.getByLabel('URL of its keys').fill('')
  await page.getByLabel('Authority of that URL').fill('')
  await page.getByLabel('Keys', { exact: true }).fill(JSON.stringify(platform.jwks))
  await page.getByLabel('ES256').check()
  await page.getByLabel('Again and again').check()
  await page.getByRole('button', { name: 'Change issuer' }).click()
  await page.getByText('kept here').waitFor()
  t.match(await issuer(), {
    keys: 'inline', jwksUri: null, ca: null, algorithms: ['ES256', 'ES384'], maxAge: 900, singleUse: false
  })
  await ruleWithSeveralClaims(t, { page, id, platform, organization })
  await leave(t)
})

/** A rule on several claims, met and missed by tokens, and changed later. */
async function ruleWithSeveralClaims (
  t: Test, { page, id, platform, organization }: {
    page: Page, id: string, platform: Platform, organization: string
  }
): Promise<void> {
  await page.getByRole('link', { name: 'Add a rule' }).click()
  await page.getByLabel('Name').fill('Deploy')
  await page.getByLabel('Value 1').fill('repo:acme/*')
  await page.getByLabel('How claim 1 is compared').selectOption('/')
  await page.getByLabel('Claim 2', { exact: true }).fill('/pipeline')
  await page.getByLabel('Value 2').fill('deploy')
  await page.getByLabel('API', { exact: true }).selectOption(server.issuer)
  await page.getByRole('button', { name: 'Add rule' }).click()
  await page.getByText('/sub = repo:acme/* (* ends at /)').waitFor()
  const rules = async () => (await admin('GET', `/workload-rules?issuer=${id}`)).json.data
  t.match(await rules(), [{
    claims: [{ claim: '/sub', value: 'repo:acme/*', separators: ['/'] }, { claim: '/pipeline', value: 'deploy' }]
  }])
  const aud = `${server.issuer}/organizations/${organization}`
  const accepted = async (pipeline: string) => {
    const assertion = await platform.token({ sub: 'repo:acme/web:main', pipeline, aud })
    return (await admin('POST', '/trusted-issuers/try', { assertion })).json.accepted
  }
  t.strictSame([await accepted('deploy'), await accepted('test')], [true, false])
  await page.getByRole('link', { name: 'Change Deploy' }).click()
  await page.getByLabel('Value 2').fill('test')
  await page.getByRole('button', { name: 'Change rule' }).click()
  await page.getByText('/pipeline = test').waitFor()
  t.strictSame([await accepted('deploy'), await accepted('test')], [false, true])
}

tap.test('without JavaScript: a cluster is asked, by a token that no page shows again, and asked no more', browser, async t => {
  const { page, visit, leave } = await visitor(server, chromium, {
    organization: 'org_operators', operator: true, name: 'Otto', javaScript: false
  })
  const sub = 'system:serviceaccount:prod:web'
  const cluster = await startCluster(t, sub)
  const platform = await newPlatform('https://asked.acme.test')
  const [api, token] = [page.getByLabel('URL of the API server'), page.getByLabel('Token of the account that asks')]
  const open = async () => await page.getByText('Ask a cluster of Kubernetes').click()
  await visit('/trusted-issuers/new')
  await page.getByLabel('Name').fill('Asked')
  await page.getByLabel('Issuer', { exact: true }).fill(platform.issuer)
  await page.getByLabel('The deployment').check()
  await page.getByLabel('Keys', { exact: true }).fill(JSON.stringify(platform.jwks))
  await open()
  await api.fill('http://127.0.0.1:6443')
  await token.fill(cluster.reviewer)
  await page.getByLabel('Authority of the API server').fill(cluster.ca)
  await page.getByRole('button', { name: 'Trust issuer' }).click()
  await page.locator('#reviewUrl-problem').getByText('is no https URL').waitFor()
  t.notOk((await page.content()).includes(cluster.reviewer), 'it is typed again')
  t.equal(await page.getByLabel('Authority of the API server').inputValue(), cluster.ca.trim())
  await api.fill(cluster.url)
  await page.getByRole('button', { name: 'Trust issuer' }).click()
  await page.locator('#reviewerToken-problem').getByText('Send the bearer token').waitFor()
  await token.fill(cluster.reviewer)
  await page.getByRole('button', { name: 'Trust issuer' }).click()
  await page.getByText(`${cluster.url}${reviewPath}`).waitFor()
  t.notOk((await page.content()).includes(cluster.reviewer))
  const [{ id }] = (await admin('GET', '/trusted-issuers?limit=1')).json.data
  const { json: { id: forOrganization } } = await admin('POST', '/organizations', { name: 'Asked' })
  await make(server, '/workload-rules', {
    issuer: id,
    name: 'Web',
    claims: [{ claim: '/sub', value: sub }],
    forOrganization,
    resource: server.issuer,
    scopes: []
  })
  const assertion = await platform.token({ sub, aud: server.issuer })
  const tryIt = async () => {
    await page.getByLabel('Token of the platform').fill(assertion)
    await page.getByRole('button', { name: 'Try' }).click()
  }
  await tryIt()
  await page.getByText('says that it is still good').waitFor()
  cluster.accounts.delete(sub)
  await tryIt()
  await page.getByText('The cluster does not vouch for it').first().waitFor()
  await page.getByText('Web: is met').waitFor()
  await visit(`/trusted-issuers/${id}/change`)
  t.equal(await token.inputValue(), '')
  await page.getByText(`Empty: the present one, which ends in ${cluster.reviewer.slice(-4)}.`).waitFor()
  await page.getByLabel('Name').fill('Asked on')
  await page.getByRole('button', { name: 'Change issuer' }).click()
  await page.getByRole('heading', { name: 'Asked on' }).waitFor()
  await tryIt()
  await page.getByText('The cluster does not vouch for it').first().waitFor()
  t.equal(cluster.asked.length, 3, 'with the token that was kept')
  await visit(`/trusted-issuers/${id}/change`)
  await api.fill('https://elsewhere.test')
  await page.getByRole('button', { name: 'Change issuer' }).click()
  await page.locator('#reviewerToken-problem').getByText('has to be sent again').waitFor()
  await token.fill(cluster.reviewer)
  await admin('PATCH', `/trusted-issuers/${id}`, { maxAge: 600 })
  await page.getByRole('button', { name: 'Change issuer' }).click()
  await page.getByRole('heading', { name: 'It was changed meanwhile' }).waitFor()
  t.match(await page.getByRole('row', { name: /Token of the account/ }).textContent(), /as it is.*another/)
  t.notOk((await page.content()).includes(cluster.reviewer))
  await visit(`/trusted-issuers/${id}/change`)
  await api.fill('')
  await page.getByRole('button', { name: 'Change issuer' }).click()
  await page.getByText('no: the token of a deleted service account is taken until it expires').waitFor()
  t.equal((await admin('GET', `/trusted-issuers/${id}`)).json.tokenReview, null)
  t.notOk(server.lines.join('').includes(cluster.reviewer))
  await leave(t)
})

tap.test('what a colleague has changed meanwhile is shown, and nothing changes', browser, async t => {
  const { page, organization, visit, look, leave } = await visitor(server, chromium)
  const { id } = await make(server, '/trusted-issuers', {
    organization, name: 'Cluster', preset: 'kubernetes', issuer: 'https://cluster.acme.test'
  })
  const rule = await make(server, '/workload-rules', {
    issuer: id, name: 'Web', claims: [{ claim: '/sub', value: 'web' }], resource: server.issuer, scopes: []
  })
  await visit(`/trusted-issuers/${id}/change`)
  await page.getByText('Ask a cluster of Kubernetes').click()
  await look(t, 'trusted-issuer-change')
  await page.getByLabel('Name').fill('Mine')
  await admin('PATCH', `/trusted-issuers/${id}`, { maxAge: 600 })
  await page.getByRole('button', { name: 'Change issuer' }).click()
  await page.getByRole('heading', { name: 'It was changed meanwhile' }).waitFor()
  t.match(await page.getByRole('row', { name: /Longest life/ }).textContent(), '600')
  await look(t, 'trusted-issuer-overtaken')
  t.match((await admin('GET', `/trusted-issuers/${id}`)).json, { name: 'Cluster', maxAge: 600 })
  await visit(`/trusted-issuers/${id}/rules/${rule.id}/change`)
  await look(t, 'workload-rule-change')
  await page.getByLabel('Value 1').fill('mine')
  await admin('PATCH', `/workload-rules/${rule.id}`, { claims: [{ claim: '/sub', value: 'theirs' }] })
  await page.getByRole('button', { name: 'Change rule' }).click()
  await page.getByRole('heading', { name: 'It was changed meanwhile' }).waitFor()
  const row = await page.getByRole('row', { name: /Claims/ }).textContent()
  t.match(row, '/sub = theirs')
  t.match(row, '/sub = mine')
  t.strictSame((await admin('GET', `/workload-rules/${rule.id}`)).json.claims, [{ claim: '/sub', value: 'theirs' }])
  await leave(t)
})

tap.test('an identity provider is trusted for ID-JAG; an operator trusts for the deployment', browser, async t => {
  const { page, visit, look, leave } = await visitor(server, chromium, {
    organization: 'org_operators', operator: true, name: 'Olga'
  })
  const platform = await newPlatform('https://idp.acme.test')
  await visit('/trusted-issuers/new')
  await page.getByLabel('Name').fill('People')
  await page.getByLabel('Platform').selectOption('custom')
  await page.getByLabel('Issuer', { exact: true }).fill(platform.issuer)
  await page.getByLabel('People (ID-JAG)').check()
  await page.getByLabel('Keys', { exact: true }).fill(JSON.stringify(platform.jwks))
  await page.getByRole('button', { name: 'Trust issuer' }).click()
  await page.getByRole('definition').getByText('people (ID-JAG)').waitFor()
  t.equal(await page.getByRole('link', { name: 'Add a rule' }).count(), 0)
  await page.getByRole('link', { name: 'Change', exact: true }).click()
  t.equal(await page.getByLabel('Again and again').count(), 0)
  await look(t, 'trusted-issuer-id-jag')
  await visit('/trusted-issuers/new')
  await page.getByLabel('Name').fill('Cluster')
  await page.getByLabel('Issuer', { exact: true }).fill('https://cluster.acme.test')
  await page.getByLabel('The deployment').check()
  await page.getByRole('button', { name: 'Trust issuer' }).click()
  await page.getByRole('link', { name: 'Add a rule' }).click()
  const { json: { id: tenant } } = await admin('POST', '/organizations', { name: 'Tenant' })
  await page.getByLabel('Name').fill('For a tenant')
  await page.getByLabel('Value 1').fill('system:serviceaccount:prod:web')
  await page.getByLabel('API', { exact: true }).selectOption(server.issuer)
  await page.getByLabel('For the organization').fill(tenant)
  await page.getByRole('button', { name: 'Add rule' }).click()
  await page.getByRole('rowheader', { name: 'For a tenant' }).waitFor()
  t.match((await admin('GET', '/workload-rules?limit=1')).json.data, [{ organization: null, forOrganization: tenant }])
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

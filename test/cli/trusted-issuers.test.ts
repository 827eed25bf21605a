/** Trusted issuers on the command line, as transcripts against a real server and a cluster that is asked. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { startCluster } from '../support/api-server.ts'
import { commandLine } from '../support/command-line.ts'
import { startServer } from '../support/running-server.ts'
import { newPlatform } from '../support/workload-platform.ts'

const server = await startServer(tap)
const sub = 'system:serviceaccount:prod:web'
const cluster = await startCluster(tap, sub)
const platform = await newPlatform('https://kubernetes.default.svc')
const folder = tap.testdir({
  'jwks.json': JSON.stringify(platform.jwks), 'reviewer.token': `${cluster.reviewer}\n`, 'ca.pem': cluster.ca
})

const { words, latchkey, follow: followed } = commandLine(server.environment, folder)

async function follow (t: Test, text: string): Promise<void> {
  for (const shown of await followed(t, text)) {
    t.notOk(shown.includes(cluster.reviewer), 'the token of the account that asks is not shown')
  }
}

tap.test('a cluster is asked by the token of a file; try is 1 for a token that would be refused, and says why', async t => {
  const hint = `…${cluster.reviewer.slice(-4)} (fingerprint {fingerprint})`
  await follow(t, `
$ latchkey org create Acme
id       {org}
...
$ latchkey resource create https://api.acme.test --scope invoices:read
...
$ latchkey trusted-issuer create production --deployment --preset kubernetes --issuer ${platform.issuer} --jwks jwks.json --token-review ${cluster.url} --reviewer-token reviewer.token --review-ca ca.pem
id            {issuer}
name          production
organization  the deployment
preset        kubernetes
profile       workload
issuer        ${platform.issuer}
audience      {audience}
keys          inline
token review  ${cluster.url}/apis/authentication.k8s.io/v1/tokenreviews
asked with    ${hint}
...
$ latchkey trusted-issuer add-rule web --issuer {issuer} --claim /sub=${sub} --for-org {org} --resource https://api.acme.test --scope invoices:read
id        {rule}
...
$ latchkey trusted-issuer add-rule other --issuer {issuer} --prefix /sub=system:serviceaccount:stage:* --for-org {org} --resource https://api.acme.test --scope invoices:read
id        {other}
name      other
issuer    {issuer}
prefix    /sub = system:serviceaccount:stage:*
...
$ latchkey trusted-issuer delete-rule {other}
...
$ latchkey trusted-issuer update {issuer} --max-age soon
...
[2]
`)
  const audience = words.fill('{audience}')
  const write = async (name: string, claims: object) => {
    writeFileSync(join(folder, name), await platform.token({ sub, aud: audience, ...claims }))
  }
  await write('token.jwt', {})
  await write('other.jwt', { sub: 'system:serviceaccount:dev:web' })
  await write('stranger.jwt', { iss: 'https://stranger.test' })
  await write('elsewhere.jwt', { aud: 'https://elsewhere.test' })
  await follow(t, `
$ latchkey trusted-issuer try stranger.jwt
accepted  no: No issuer "https://stranger.test" is trusted for the aud of the token, which is "${audience}".
[1]
`)
  t.match((await latchkey('trusted-issuer try elsewhere.jwt')).stdout, /exactly one of .*; it is "https:..elsewhere/)
  await follow(t, `
$ latchkey trusted-issuer try token.jwt
accepted     by {rule}
its cluster  says that it is still good

RULE                        NAME  WHY
{rule}  web   is met
$ latchkey trusted-issuer try other.jwt
accepted  no: No rule of the issuer is met.
issuer    production: No rule of the issuer is met.

RULE                        NAME  WHY
{rule}  web   /sub is "system:serviceaccount:dev:web", not "${sub}"
[1]
`)
  cluster.accounts.delete(sub)
  await follow(t, `
$ latchkey trusted-issuer try token.jwt
accepted  no: The cluster does not vouch for it: [invalid bearer token, serviceaccounts "web" not found].
issuer    production: The cluster does not vouch for it: [invalid bearer token, serviceaccounts "web" not found].

RULE                        NAME  WHY
{rule}  web   is met
[1]
`)
  const json = await latchkey('trusted-issuer try token.jwt --json')
  t.match([json.code, JSON.parse(json.stdout)], [1, { accepted: false, reason: 'review_refused' }])
  cluster.reviewer = 'a-token-that-the-file-does-not-have'
  t.match((await latchkey('trusted-issuer try token.jwt')).stdout, /answers with 401: .* Set another/)
  cluster.accounts.add(sub)
  writeFileSync(join(folder, 'reviewer.token'), cluster.reviewer)
  t.equal((await latchkey(words.fill('trusted-issuer update {issuer} --reviewer-token reviewer.token'))).code, 0)
  await follow(t, `
$ latchkey trusted-issuer try token.jwt
accepted     by {rule}
...
$ latchkey trusted-issuer update {issuer} --token-review https://elsewhere.test
! latchkey: For another API server or another authority the token of the account that asks has to be sent again in tokenReview.token. (INVALID_REQUEST)
[1]
$ latchkey trusted-issuer update {issuer} --no-token-review --reviewer-token reviewer.token
! latchkey: --no-token-review takes the review away: leave --reviewer-token and --review-ca out.
[2]
`)
  const { code, stdout } = await latchkey(words.fill('trusted-issuer update {issuer} --no-token-review'))
  t.equal(code, 0)
  t.notMatch(stdout, 'token review')
  cluster.accounts.delete(sub)
  t.match((await latchkey('trusted-issuer try token.jwt')).stdout, /^accepted +by twr_/)
  t.notOk(server.said().includes(cluster.reviewer))
})

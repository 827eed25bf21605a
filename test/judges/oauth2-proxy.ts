/** oauth2-proxy in front of an API: it accepts our tokens through our discovery and keys. */
import { spawn } from 'node:child_process'
import tap from 'tap'
import { signingAlgorithms } from '../../src/domain/tokens/signing-key.ts'
import { startJudged } from '../support/foreign-clients.ts'
import { goTool } from '../support/foreign-tools.ts'
import { freePort } from '../support/running-server.ts'
import { until } from '../support/waiting.ts'

const proxy = await goTool('github.com/oauth2-proxy/oauth2-proxy/v7@v7.15.6')

for (const algorithm of signingAlgorithms) {
  tap.test(`oauth2-proxy takes a token and refuses an altered one [${algorithm}]`, proxy, async t => {
    const { ISSUER: issuer, RESOURCE: resource, TOKEN: token } = await startJudged(t, algorithm)
    const port = await freePort()
    const child = spawn(proxy.path, [
      '--provider=oidc',
      `--oidc-issuer-url=${issuer}`,
      '--client-id=unused',
      '--client-secret=unused',
      `--cookie-secret=${'x'.repeat(32)}`,
      '--email-domain=*',
      '--upstream=static://200',
      `--http-address=127.0.0.1:${port}`,
      '--skip-jwt-bearer-tokens',
      '--bearer-token-login-fallback=false',
      `--extra-jwt-issuers=${issuer}=${resource}`
    ], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', bytes => { said += String(bytes) })
    t.teardown(() => { child.kill() })
    const url = `http://127.0.0.1:${port}`
    await until('oauth2-proxy answers', async () => {
      if (child.exitCode !== null) throw new Error(said)
      return await fetch(`${url}/ping`).then(answer => answer.ok, () => false)
    })
    const status = async (bearer: string) =>
      (await fetch(url, { headers: { authorization: `Bearer ${bearer}` }, redirect: 'manual' })).status
    t.equal(await status(token!), 200, said)
    t.equal(await status(`${token!.slice(0, -4)}AAAA`), 403)
  })
}

/** Go clients: go-oidc with x/oauth2, the MCP SDK, zitadel/oidc. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { signingAlgorithms } from '../../src/domain/tokens/signing-key.ts'
import { build, foldersOf, judge, startJudged } from '../support/foreign-clients.ts'
import { foreignProgram } from '../support/foreign-programs.ts'

const go = foreignProgram('go', 'https://go.dev/doc/install')

for (const algorithm of signingAlgorithms) {
  tap.test(`Go: discovery, tokens, verification and introspection [${algorithm}]`, go, async t => {
    const { sources, built } = foldersOf('go')
    await cp(sources, built, { recursive: true })
    // Go rebuilds changed files only.
    await build(go.path, ['build', '-o', 'judge', '.'], built)
    t.strictSame(await judge(join(built, 'judge'), [], await startJudged(t, algorithm)), [
      { client: 'go-oidc', settings: '' },
      { client: 'MCP go-sdk', settings: '' },
      { client: 'zitadel/oidc', settings: '' },
      { client: 'zitadel/oidc private_key_jwt', settings: 'assertionProfile: rfc7523' },
    ])
  })
}

/** Python clients: Authlib, and PyJWT by the recipe of its documentation. */
import { join } from 'node:path'
import tap from 'tap'
import { signingAlgorithms } from '../../src/domain/tokens/signing-key.ts'
import { foldersOf, judge, startJudged } from '../support/foreign-clients.ts'
import { pythonTools } from '../support/foreign-tools.ts'

const { sources } = foldersOf('python')
const python = await pythonTools(sources)

for (const algorithm of signingAlgorithms) {
  tap.test(`Python: discovery, tokens and verification [${algorithm}]`, python, async t => {
    const program = join(python.path, 'python')
    t.strictSame(await judge(program, [join(sources, 'judge.py')], await startJudged(t, algorithm)), [
      { client: 'Authlib', settings: '' },
      { client: 'Authlib private_key_jwt', settings: 'assertionProfile: rfc7523' },
      { client: 'PyJWT', settings: '' },
    ])
  })
}

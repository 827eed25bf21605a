/** An API protected by express-oauth2-jwt-bearer, through our discovery and keys. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { signingAlgorithms } from '../../src/domain/tokens/signing-key.ts'
import { foldersOf, judge, startJudged } from '../support/foreign-clients.ts'
import { npmTools } from '../support/foreign-tools.ts'

const { sources } = foldersOf('node')
const packages = await npmTools(sources)

for (const algorithm of signingAlgorithms) {
  tap.test(`express-oauth2-jwt-bearer takes a token and refuses an altered one [${algorithm}]`, packages, async t => {
    // Node resolves packages beside the importing file.
    const program = join(packages.path, '..', '..', 'judge.js')
    await cp(join(sources, 'judge.js'), program)
    t.strictSame(await judge(process.execPath, [program], await startJudged(t, algorithm)), [
      { client: 'express-oauth2-jwt-bearer', settings: '' },
    ])
  })
}

/** An API that guards itself with express-oauth2-jwt-bearer, by our discovery and keys. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { signingAlgorithms } from '../../src/domain/signing-key.ts'
import { build, foldersOf, judge, startJudged } from '../foreign-clients.ts'

for (const algorithm of signingAlgorithms) {
  tap.test(`express-oauth2-jwt-bearer takes a token and refuses an altered one [${algorithm}]`, async t => {
    const { sources, built } = foldersOf('node')
    await cp(sources, built, { recursive: true })
    const install: [string, string[]] = ['npm', ['ci', '--no-audit', '--no-fund', '--silent']]
    await build(join(built, 'node_modules'), [install], built)
    t.strictSame(await judge(process.execPath, [join(built, 'judge.js')], await startJudged(t, algorithm)), [
      { client: 'express-oauth2-jwt-bearer', settings: '' },
    ])
  })
}

/** Python clients: Authlib, and PyJWT by the recipe of its documentation. */
import { join } from 'node:path'
import tap from 'tap'
import { signingAlgorithms } from '../../src/domain/signing-key.ts'
import { build, foldersOf, judge, startJudged } from '../foreign-clients.ts'
import { foreignProgram } from '../foreign-programs.ts'

const python = foreignProgram('python3', 'apt-get install python3 python3-venv')

for (const algorithm of signingAlgorithms) {
  tap.test(`Python: discovery, tokens and verification [${algorithm}]`, python, async t => {
    const { sources, built } = foldersOf('python')
    const installed = join(built, 'bin', 'python')
    await build(join(built, 'lib', 'python'), [
      [python.path, ['-m', 'venv', built]],
      [installed, ['-m', 'pip', 'install', '--quiet', '--requirement', join(sources, 'requirements.txt')]],
    ], sources)
    t.strictSame(await judge(installed, [join(sources, 'judge.py')], await startJudged(t, algorithm)), [
      { client: 'Authlib', settings: '' },
      { client: 'Authlib private_key_jwt', settings: 'assertionProfile: rfc7523' },
      { client: 'PyJWT', settings: '' },
    ])
  })
}

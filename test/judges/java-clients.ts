/** Java clients: Nimbus, Spring Security as a client and as a resource server. */
import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { build, foldersOf, judge, startJudged } from '../support/foreign-clients.ts'
import { foreignProgram } from '../support/foreign-programs.ts'

const java = foreignProgram('java', 'apt-get install openjdk-17-jdk-headless')
const maven = foreignProgram('mvn', 'apt-get install maven')

// Spring's resource server does not accept EdDSA.
for (const algorithm of ['ES256', 'RS256'] as const) {
  tap.test(`Java: discovery, tokens and verification [${algorithm}]`, { skip: java.skip || maven.skip }, async t => {
    const { sources, built } = foldersOf('java')
    await cp(sources, built, { recursive: true })
    const classpath = join(built, 'target', 'classpath')
    const goals = ['compile', 'dependency:build-classpath', `-Dmdep.outputFile=${classpath}`]
    await build(maven.path, ['--quiet', '--batch-mode', ...goals], built)
    const found = `${join(built, 'target', 'classes')}:${await readFile(classpath, 'utf8')}`
    t.strictSame(await judge(java.path, ['-cp', found, 'Judge'], await startJudged(t, algorithm)), [
      { client: 'Nimbus', settings: '' },
      { client: 'Nimbus private_key_jwt', settings: 'assertionProfile: rfc7523' },
      { client: 'Spring Security', settings: '' },
      { client: 'Spring Security private_key_jwt', settings: 'assertionProfile: rfc7523' },
      { client: 'Spring Security resource server', settings: 'validateType(false), createAtJwtValidator()' },
    ])
  })
}

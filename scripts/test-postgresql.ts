// npm run test:postgresql: the storage and contract suites on common PostgreSQL set-ups: through PgBouncer in session
// mode, and with a German DateStyle and a schema of its own. Arguments: other test files.
import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeTemplates } from '../test/support/databases.ts'
import { program, startPgbouncer } from '../test/support/pgbouncer.ts'
import { startPostgres } from '../test/support/postgres.ts'
import { countTests } from './count-tests.ts'
import { root, run } from './run-tests.ts'

// With those whose cases `npm test` runs on SQLite alone.
const files = process.argv.length > 2
  ? process.argv.slice(2)
  : globSync('test/**/*.test.ts', { cwd: root })
    .filter(file => /^test\/(storage|contracts)\//.test(file) || takesOneDatabase(file))
    .sort()

function takesOneDatabase (file: string): boolean {
  return readFileSync(join(root, file), 'utf8').includes('oneDatabase')
}

let failed = 0
for (
  const [way, runThat] of Object.entries({
    'German DateStyle, schema of its own': german, 'PgBouncer in session mode': throughPgbouncer
  })
) {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-postgresql-'))
  const postgres = await startPostgres()
  try {
    const skipped = await runThat(folder, postgres.url)
    if (skipped !== undefined) console.log(`${way}: skipped, ${skipped}`)
    else {
      const { all, failures } = countTests(await readFile(join(folder, 'output.tap'), 'utf8'))
      for (const failure of failures) console.log(`failed: ${failure}`)
      console.log(`${way}: ${all.passed} passed, ${all.failed} failed`)
      failed += all.passed === 0 ? 1 : all.failed
    }
  } finally {
    await postgres.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
process.exit(failed === 0 ? 0 : 1)

async function german (folder: string, url: string): Promise<undefined> {
  process.env.LATCHKEY_TEST_POSTGRES_AS = 'german'
  await tap(folder, { LATCHKEY_TEST_POSTGRES: url, ...await makeTemplates(folder, url) })
  delete process.env.LATCHKEY_TEST_POSTGRES_AS
}

/** Without a template: a pooler keeps connections to it open, which prevents copying it. */
async function throughPgbouncer (folder: string, url: string): Promise<string | undefined> {
  if (program === null) return 'pgbouncer is not installed: apt-get install pgbouncer'
  const pooler = await startPgbouncer(url, { pool_mode: 'session', default_pool_size: 100, max_client_conn: 1_000 })
  try {
    await tap(folder, { LATCHKEY_TEST_POSTGRES: pooler.url, LATCHKEY_TEST_POSTGRES_AS: 'pgbouncer' })
  } finally {
    await pooler.close()
  }
}

async function tap (folder: string, environment: Record<string, string>): Promise<void> {
  const output = `--output-file=${join(folder, 'output.tap')}`
  await run('tap', ['run', '--reporter=terse', output, ...files], { TAP_TIMEOUT: '600', ...environment })
}

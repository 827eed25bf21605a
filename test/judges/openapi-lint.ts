/** Redocly and Spectral, with their recommended rules, find no error in the document. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap from 'tap'
import { npmTools, run } from '../support/foreign-tools.ts'
import { startServer } from '../support/test-server.ts'

const tools = await npmTools(join(import.meta.dirname, 'openapi-lint'))

tap.test('the document has no error for redocly and none for spectral', tools, async t => {
  const server = await startServer({ registration: 'open' })
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-lint-'))
  t.teardown(async () => {
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })
  await writeFile(join(folder, 'openapi.json'), (await server.send({ path: '/api/v1/openapi.json' })).text)
  await writeFile(join(folder, 'spectral.yaml'), 'extends: ["spectral:oas"]\n')
  const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
  const redocly = await run(join(tools.path, 'redocly'), ['lint', '--extends', 'recommended', 'openapi.json'], {
    cwd: folder, env
  })
  t.equal(redocly.code, 0, redocly.output)
  t.match(redocly.output, /Your API description is valid/)
  const spectral = await run(join(tools.path, 'spectral'), [
    'lint', 'openapi.json', '--ruleset', 'spectral.yaml', '--quiet', '--display-only-failures'
  ], { cwd: folder })
  t.equal(spectral.code, 0, spectral.output)
})

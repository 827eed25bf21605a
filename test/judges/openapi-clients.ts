/**
 * Generators of other languages make clients from the document that compile without settings, and create a client and a
 * key on a real server. The one for TypeScript runs in `npm test` (test/management/openapi.test.ts).
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { foreignProgram } from '../support/foreign-programs.ts'
import { goTool, pythonTools, run } from '../support/foreign-tools.ts'
import { basic, startServer } from '../support/test-server.ts'

const journeys = join(import.meta.dirname, 'openapi-clients')
const python = await pythonTools(journeys)
const oapiCodegen = await goTool('github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2')
/** The run-time library of the code that oapi-codegen generates. */
const runtime = 'github.com/oapi-codegen/runtime@v1.9.0'

/** A server, and a folder with its document. */
async function stage (t: Test) {
  const server = await startServer({ registration: 'open' })
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-clients-'))
  t.teardown(async () => {
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })
  await writeFile(join(folder, 'openapi.json'), (await server.send({ path: '/api/v1/openapi.json' })).text)
  const env = { ...process.env, LATCHKEY_TOKEN: server.adminToken }
  const done = async (program: string, parameters: readonly string[], cwd = folder): Promise<string> => {
    const { code, output } = await run(program, parameters, { cwd, env })
    t.equal(code, 0, `${program} ${parameters.join(' ')}: ${output.slice(-4_000)}`)
    return output
  }
  /** Checks that the printed credentials exist and work. */
  const judge = async (printed: string): Promise<void> => {
    const [clientId = '', clientSecret = '', keyId = '', key = ''] = printed.trim().split('\n').at(-1)!.split(' ')
    const body = new URLSearchParams({ grant_type: 'client_credentials' })
    const token = await server.send({
      method: 'POST', path: '/api/v1/auth/token', headers: { authorization: basic(clientId, clientSecret) }, body
    })
    t.match(token, { status: 200, json: { scope: 'invoices:read' } })
    t.match(await server.send({ path: '/api/v1/api-key', headers: { 'x-api-key': key } }), {
      status: 200, json: { id: keyId, scopes: ['invoices:read'] }
    })
  }
  return { server, folder, done, judge }
}

tap.test(
  'openapi-python-client makes a client that can be imported whole, and creates a client and a key',
  python,
  async t => {
    const { server, folder, done, judge } = await stage(t)
    await done(join(python.path, 'openapi-python-client'), [
      'generate', '--path', 'openapi.json', '--output-path', 'made', '--meta', 'setup'
    ])
    await cp(join(journeys, 'journey.py'), join(folder, 'made', 'journey.py'))
    await judge(await done(join(python.path, 'python'), ['journey.py', server.url], join(folder, 'made')))
  }
)

tap.test('oapi-codegen makes a client that compiles, and creates a client and a key', oapiCodegen, async t => {
  const { server, folder, done, judge } = await stage(t)
  const { path: go } = foreignProgram('go', 'install Go 1.24 or newer')
  await mkdir(join(folder, 'api'))
  await done(oapiCodegen.path, ['-package', 'api', '-o', 'api/api.go', '-generate', 'types,client', 'openapi.json'])
  await cp(join(journeys, 'journey.go'), join(folder, 'main.go'))
  await done(go, ['mod', 'init', 'latchkey.test/journey'])
  await done(go, ['get', runtime])
  await done(go, ['mod', 'tidy'])
  await done(go, ['vet', './...'])
  await judge(await done(go, ['run', '.', server.url]))
})

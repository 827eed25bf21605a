/** The official suite of MCP for authorization servers, whole, with a person who allows what it asks for. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import tap from 'tap'
import { databases } from '../support/databases.ts'
import { clientMetadata } from '../support/mcp/client.ts'
import { allowOnceAsked } from '../support/mcp/person.ts'
import { openScene } from '../support/mcp/scene.ts'

const suite = resolve(import.meta.dirname, '../../node_modules/.bin/conformance')
// It registers itself, without a secret: where the metadata has `none`, the suite uses no secret.
for (const { name, fresh } of databases) {
  tap.test(`[${name}] every scenario of \`conformance authorization\` passes`, async t => {
    const database = await fresh()
    t.teardown(database.drop)
    const scene = await openScene({ database: database.url })
    t.teardown(scene.close)
    const { json: { client_id: id } } = await scene.latchkey.send({
      method: 'POST', path: '/api/v1/oauth/register', body: clientMetadata(scene.callback)
    })
    const { issuer } = scene.latchkey
    const child = spawn(process.execPath, [
      suite, 'authorization', '--url', issuer, '--client-id', id, '--resource', scene.url, '--port',
      new URL(scene.callback).port
    ], { stdio: ['ignore', 'pipe', 'pipe'] })
    const said = allowOnceAsked(child, scene.person, issuer)
    const [code] = await once(child, 'close')
    t.equal(code, 0, 'exit code', { said: said() })
    t.strictSame(said().match(/^(?:[✓✗] \S+|Total): .+$/gm), [
      '✓ authorization-server-metadata-endpoint: 2 passed, 0 failed',
      '✓ authorization-code-grant: 1 passed, 0 failed',
      'Total: 3 passed, 0 failed'
    ])
  })
}

/** `latchkey doctor mcp --sign-in` at our own MCP server behind our own server: the whole flow, as clients go it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import tap from 'tap'
import { allowOnceAsked } from '../support/mcp/person.ts'
import { createAskingClient } from '../support/authorizing.ts'
import { openScene, type Scene } from '../support/mcp/scene.ts'
import { latchkeyCommand, ownEnvironment } from '../support/running-server.ts'
import type { Json } from '../support/test-server.ts'

tap.test('`latchkey doctor mcp --sign-in` finds nothing wrong with an MCP server behind Latchkey', async t => {
  const scene = await openScene()
  t.teardown(scene.close)
  const child = spawn(process.execPath, [
    latchkeyCommand, 'doctor', 'mcp', scene.url, '--sign-in', '--json'
  ], { env: ownEnvironment({}), stdio: ['ignore', 'pipe', 'pipe'] })
  const said = allowOnceAsked(child, scene.person, scene.latchkey.issuer)
  const [code] = await once(child, 'close')
  t.equal(code, 0)
  const { healthy, findings } = JSON.parse(said().slice(said().indexOf('{')))
  t.ok(healthy)
  t.strictSame(findings.filter(({ status }: { status: string }) => status !== 'ok'), [])
  t.strictSame(findings.map(({ check }: { check: string }) => check), [
    'challenge', 'resource metadata', 'authorization server', 'PKCE', 'registration', 'issuer in responses',
    'register', 'authorization request', 'foreign redirect URI', 'authorization response', 'token',
    'MCP with the token', 'MCP with a changed token', 'refresh'
  ])
  const { found } = findings.find(({ check }: { check: string }) => check === 'token')
  t.match(found, 'scopes notes:read, a refresh token')
  t.notMatch(said(), /eyJ[\w-]+\.eyJ/, 'no token is printed')
  t.strictSame(await left(scene), { authorizations: [['ended', 'token-revoked']], consents: 0 })
})

tap.test('a client that it was given keeps nothing of the walk either', async t => {
  const scene = await openScene()
  t.teardown(scene.close)
  const { id } = await createAskingClient(scene.latchkey, {
    redirect_uris: ['http://127.0.0.1/callback'], application_type: 'native'
  })
  const child = spawn(process.execPath, [
    latchkeyCommand, 'doctor', 'mcp', scene.url, '--sign-in', '--client-id', id
  ], { env: ownEnvironment({}), stdio: ['ignore', 'pipe', 'pipe'] })
  allowOnceAsked(child, scene.person, scene.latchkey.issuer)
  t.strictSame(await once(child, 'close'), [0, null])
  t.strictSame((await left(scene)).authorizations, [['ended', 'token-revoked']])
})

/** What is left of what the person of a scene has allowed. */
async function left ({ latchkey, member }: Scene) {
  const list = async (of: string) => (await latchkey.admin('GET', `/${of}?member=${member}`)).json.data as Json[]
  return {
    authorizations: (await list('authorizations')).map(({ status, endedReason }) => [status, endedReason]),
    consents: (await list('consents')).length
  }
}

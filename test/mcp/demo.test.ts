/** `npm run mcp-demo`, as a newcomer runs it. */
import { resolve } from 'node:path'
import tap from 'tap'
import { ownEnvironment, run } from '../support/running-server.ts'

const demo = resolve(import.meta.dirname, '../../scripts/mcp-demo.ts')

tap.test('LB-22: an MCP client that knows a URL alone gets a token, more of it, and none once it is ended', async t => {
  const { code, stdout, stderr } = await run(process.execPath, [demo], { env: ownEnvironment({}) })
  t.equal(code, 0, stderr)
  t.equal(stderr, '')
  const held = stdout.match(/^ {2}✓ /gm) ?? []
  t.ok(held.length >= 16, `${held.length} expectations`)
  t.match(stdout, `Every step held: ${held.length} expectations.`)
  t.notMatch(stdout, '✗')
  for (const secret of [/eyJ[\w-]{20,}/, /lkadm_[\w-]{10,}/, /[?&]code=/, /refresh_token"/]) t.notMatch(stdout, secret)
})

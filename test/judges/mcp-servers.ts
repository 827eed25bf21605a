/** docs/guides/mcp.md as it stands: FastMCP and the TypeScript SDK as resource servers, one after the other. */
import { spawn } from 'node:child_process'
import { readFile, symlink } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import tap, { type Test } from 'tap'
import { addedLines, openGuide, type Guide } from '../support/followed-guide.ts'
import { pythonTools } from '../support/foreign-tools.ts'
import { freePort, run, startServer, stop } from '../support/running-server.ts'
import { until } from '../support/waiting.ts'

const root = resolve(import.meta.dirname, '../..')
/** The servers of the page as they were, without Latchkey, and what FastMCP needs. */
const sources = join(import.meta.dirname, 'mcp')
const fastmcp = await pythonTools(sources)

/** `index`: which of the two servers of the page, and which of its commands starts it. */
async function follow (t: Test, index: 0 | 1): Promise<void> {
  const server = await startServer(t)
  const port = await freePort()
  const guide = await openGuide(t, 'mcp', server, () => [
    ['localhost:8000', `localhost:${port}`], ['port=8000', `port=${port}`], ['listen(8000', `listen(${port}`]
  ])
  guide.env.PATH = [fastmcp.path, guide.env.PATH].join(delimiter)
  await symlink(join(root, 'node_modules'), join(guide.folder, 'node_modules'))
  const [python, typescript, agent] = [guide.blocks('python')[0]!, ...guide.blocks('js')]
  await guide.write('server.py', python)
  await guide.write('server.mjs', typescript!)
  const before = async (name: string) => await readFile(join(sources, name), 'utf8')
  const added = [addedLines(await before('before.py'), python), addedLines(await before('before.mjs'), typescript!)]
  guide.says(`${added[0]} lines in Python and ${added[1]} in TypeScript`)
  const path = await guide.write('agent.mjs', agent!)
  await guide.program('agent', `"${process.execPath}" "${path}"`)
  const [declared, ...asked] = guide.blocks('console')
  await guide.follow(declared!)
  const command = guide.words.fill(guide.blocks('sh')[index]!.trim())
  const child = spawn('sh', ['-c', `exec env ${command}`], {
    cwd: guide.folder, env: guide.env, stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => stop(child))
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', bytes => { said += String(bytes) })
  await until('the MCP server listens', async () => {
    if (child.exitCode !== null) throw new Error(`the MCP server did not start:\n${said}`)
    return await fetch(`http://localhost:${port}/mcp`).then(() => true, () => false)
  })
  await refused(t, `http://localhost:${port}/mcp`, guide)
  for (const transcript of asked) await guide.follow(transcript.replaceAll('node agent.mjs', 'agent'))
  guide.holdTime()
  t.notMatch(said, /eyJ[\w-]+\.eyJ/, 'no token is logged')
}

/**
 * Tokens that are valid, and refused all the same: of a client that is restricted to addresses, which the servers of
 * the page cannot compare, and for another resource.
 */
async function refused (t: Test, url: string, { env }: Guide): Promise<void> {
  const latchkey = async (parameters: string) =>
    JSON.parse((await run('latchkey', [...parameters.split(' '), '--json'], { env })).stdout)
  const { data: [{ id: org }] } = await latchkey('org list')
  await latchkey('resource create http://localhost:8001/mcp --scope tools:call')
  const cases = { restricted: `${url} --allow-ip 127.0.0.1 --allow-ip ::1`, foreign: 'http://localhost:8001/mcp' }
  for (const [name, resource] of Object.entries(cases)) {
    const { clientId, clientSecret } = await latchkey(
      `client create --org ${org} --name ${name} --scope tools:call --resource ${resource}`
    )
    const answer = await fetch(`http://localhost:${env.PORT}/api/v1/auth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' })
    })
    const { access_token: token } = await answer.json() as { access_token: string }
    t.match(token, /^eyJ/)
    const headers = { authorization: `Bearer ${token}` }
    t.equal((await fetch(url, { method: 'POST', headers })).status, 401, name)
  }
}

tap.test('a FastMCP server behind Latchkey, as docs/guides/mcp.md tells it', fastmcp, t => follow(t, 0))

tap.test('an MCP server by the TypeScript SDK behind Latchkey, as docs/guides/mcp.md tells it', t => follow(t, 1))

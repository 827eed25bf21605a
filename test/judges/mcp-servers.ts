/**
 * docs/guides/mcp.md as it stands: the TypeScript SDK, the Python SDK and FastMCP as resource servers, one after the
 * other, each with a person's client and with an agent.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, readFile, symlink } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import tap, { type Test } from 'tap'
import { addedLines, openGuide, type Guide } from '../support/followed-guide.ts'
import { pythonTools } from '../support/foreign-tools.ts'
import { packGuard, shell } from '../support/installed-package.ts'
import { allowOnceAsked, signInByLink } from '../support/mcp/person.ts'
import { freePort, run, startServer, stop } from '../support/running-server.ts'
import { readTranscript } from '../support/transcript.ts'
import { until } from '../support/waiting.ts'

const root = resolve(import.meta.dirname, '../..')
/** The servers of the page as they were, without Latchkey, and what the Python ones need. */
const sources = join(import.meta.dirname, 'mcp')
const python = await pythonTools(sources)

/** The servers of the page in their order, with what they were before. */
const servers = ['server.mjs', 'sdk.py', 'fast.py'] as const
const before = ['before.mjs', 'before-sdk.py', 'before-fast.py'] as const

/** What is another one each time, though it is no id. */
const examples = [
  ['lksil_acAQx4AJkqarlbEsvNoLFc5z5Kk6bS4m0R-h_sHxNU0', '{link}'],
  [/(?<=Sign in at )\S+/, '{}'],
  [/(?<=\/api\/v1\/auth\/consent\/)\S+/, '{}']
] as const

interface Page { guide: Guide, blocks: Record<'sh' | 'console', string[]>, port: number }

/** Opens the page in a folder with its programs; the MCP server is in a folder inside, `app`. */
async function openPage (t: Test, latchkey: Awaited<ReturnType<typeof startServer>>): Promise<Page> {
  const port = await freePort()
  const guide = await openGuide(t, 'mcp', latchkey, () => [
    ['localhost:8000', `localhost:${port}`], ['port=8000', `port=${port}`], ['listen(8000', `listen(${port}`]
  ])
  guide.env.PATH = [python.path, guide.env.PATH].join(delimiter)
  await symlink(join(root, 'node_modules'), join(guide.folder, 'node_modules'))
  await mkdir(join(guide.folder, 'app'))
  const texts = [...guide.blocks('js').slice(0, 1), ...guide.blocks('python')]
  const added: number[] = []
  for (const [i, text] of texts.entries()) {
    await guide.write(join('app', servers[i]!), text)
    added.push(addedLines(await readFile(join(sources, before[i]!), 'utf8'), text))
  }
  guide.says(`adds ${added[0]} lines in TypeScript, ${added[1]} with the Python SDK, ${added[2]} with FastMCP`)
  const [server, byTool, agent] = guide.blocks('js') as [string, string, string]
  await guide.write(join('app', 'by-tool.mjs'), withGuards(server, byTool))
  const path = await guide.write('agent.mjs', agent)
  await guide.program('agent', `"${process.execPath}" "${path}"`)
  const console = guide.blocks('console').map(block =>
    examples.reduce((text, [said, here]) => text.replace(said, here), block).replaceAll('node agent.mjs', 'agent'))
  return { guide, blocks: { sh: guide.blocks('sh'), console }, port }
}

/** The server with the guards of "Tools that need more" in place of its one. @throws unless it has that one. */
function withGuards (server: string, guards: string): string {
  const one = "app.use('/mcp', expressGuard(guard, { scopes }))\n"
  if (!server.includes(one)) throw new Error(`the server has no ${one}`)
  return server.replace(one, guards)
}

/** `index`: which of the servers of the page. */
async function follow (t: Test, index: 0 | 1 | 2): Promise<void> {
  const server = await startServer(t, { LATCHKEY_REGISTRATION: 'open' })
  const issuer = server.url.replace('127.0.0.1', 'localhost')
  const { guide, blocks: { sh, console }, port } = await openPage(t, server)
  const [serve, install, ...commands] = sh.map(block => block.trim())
  t.equal(serve, 'LATCHKEY_REGISTRATION=open latchkey serve')
  const [declare, stranger, link, doctor, ...agent] = console as [string, string, string, string, string]
  await guide.follow(declare)
  const app = { folder: join(guide.folder, 'app'), env: guide.env }
  if (index === 0) {
    await copyFile(await packGuard(t), join(guide.folder, 'latchkey-guard-0.1.0.tgz'))
    await shell(app, 'npm init --yes')
    await shell(app, install!)
    await guide.follow(agent[0]!)
    await demandsByTool(t, guide, commands[0]!, port)
  }
  const child = spawn('sh', ['-c', `exec env ${guide.words.fill(commands[index]!)}`], {
    cwd: app.folder, env: app.env, stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => stop(child))
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', bytes => { said += String(bytes) })
  await until('the MCP server listens', async () => {
    if (child.exitCode !== null) throw new Error(`the MCP server did not start:\n${said}`)
    return await fetch(`http://localhost:${port}/mcp`).then(() => true, () => false)
  })
  await refused(t, `http://localhost:${port}/mcp`, guide, index === 0)
  await guide.follow(stranger)
  await guide.follow(link)
  await signIn(t, guide, issuer, doctor)
  for (const transcript of agent) await guide.follow(transcript)
  guide.holdTime()
  t.notMatch(said, /eyJ[\w-]+\.eyJ/, 'no token is logged')
}

/** What the server with a guard for each kind of tool demands of a message without a token, by its challenge. */
async function demandsByTool (t: Test, { folder, env, words }: Guide, command: string, port: number): Promise<void> {
  const child = spawn('sh', ['-c', `exec env ${words.fill(command).replace('server.mjs', 'by-tool.mjs')}`], {
    cwd: join(folder, 'app'), env, stdio: 'inherit'
  })
  try {
    const demanded = async (name: string) => {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } })
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(`http://localhost:${port}/mcp`, { method: 'POST', headers, body })
      return /scope="([^"]*)"/.exec(answer.headers.get('www-authenticate') ?? '')?.[1]
    }
    await until('it listens', async () => {
      if (child.exitCode !== null) throw new Error(`it did not start: ${child.exitCode}`)
      return await demanded('whoami').then(() => true, () => false)
    })
    t.strictSame(
      [await demanded('whoami'), await demanded('delete_note')], ['tools:call', 'tools:call tools:delete']
    )
  } finally {
    await stop(child)
  }
}

/** The transcript of `latchkey doctor mcp`, with the person who opens the URL that it prints. */
async function signIn (t: Test, { words, env }: Guide, issuer: string, transcript: string): Promise<void> {
  const [{ command, output }] = readTranscript(transcript) as [{ command: string, output: string }]
  const person = await signInByLink(issuer, words.get('link'))
  const child = spawn('sh', ['-c', words.fill(command)], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = allowOnceAsked(child, person, issuer)
  const [code] = await once(child, 'close')
  t.equal(code, 0)
  t.ok(words.matches(output, said()), command, { expected: output, found: said() })
}

/**
 * Tokens that are valid, and refused all the same: for another resource, and of a client that is restricted to
 * addresses, unless the server compares them.
 */
async function refused (t: Test, url: string, { env }: Guide, comparesAddresses: boolean): Promise<void> {
  const latchkey = async (parameters: string) =>
    JSON.parse((await run('latchkey', [...parameters.split(' '), '--json'], { env })).stdout)
  const { data: [{ id: org }] } = await latchkey('org list')
  await latchkey('resource create http://localhost:8001/mcp --scope tools:call')
  const cases: Record<string, [string, number]> = {
    restricted: [`${url} --allow-ip 127.0.0.1 --allow-ip ::1`, comparesAddresses ? 406 : 401],
    foreign: ['http://localhost:8001/mcp', 401]
  }
  for (const [name, [resource, status]] of Object.entries(cases)) {
    const { clientId, clientSecret } = await latchkey(
      `client create --org ${org} --name agent --scope tools:call --resource ${resource}`
    )
    const answer = await fetch(`http://localhost:${env.PORT}/api/v1/auth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' })
    })
    const { access_token: token } = await answer.json() as { access_token: string }
    t.match(token, /^eyJ/)
    const headers = { authorization: `Bearer ${token}` }
    t.equal((await fetch(url, { method: 'POST', headers })).status, status, name)
  }
}

tap.test('an MCP server by the TypeScript SDK behind Latchkey, as docs/guides/mcp.md tells it', t => follow(t, 0))

tap.test('an MCP server by the Python SDK behind Latchkey, as docs/guides/mcp.md tells it', python, t => follow(t, 1))

tap.test('a FastMCP server behind Latchkey, as docs/guides/mcp.md tells it', python, t => follow(t, 2))

/**
 * The SDKs of MCP as clients of an MCP server behind Latchkey: each registers itself or presents its metadata document,
 * reads, refreshes, asks for more, and goes on where another installation of it was ended.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { cp } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import tap, { type Test } from 'tap'
import { build, foldersOf } from '../support/foreign-clients.ts'
import { foreignProgram } from '../support/foreign-programs.ts'
import { pythonTools } from '../support/foreign-tools.ts'
import { openScene, type Scene } from '../support/mcp/scene.ts'
import { ownEnvironment } from '../support/running-server.ts'
import { until } from '../support/waiting.ts'

const { sources, built } = foldersOf('mcp-clients')
// The packages of docs/guides/mcp.md have the SDK.
const python = await pythonTools(join(import.meta.dirname, 'mcp'))
const go = foreignProgram('go', 'https://go.dev/doc/install')

/** A program and its parameters, once it is built. */
type Command = () => Promise<[string, ...string[]]>

const typescript = (name: string): Command => async () => [process.execPath, join(sources, name)]
const clients: Record<string, { command: Command, skip: string | false }> = {
  '@modelcontextprotocol/sdk': { command: typescript('v1.ts'), skip: false },
  '@modelcontextprotocol/client': { command: typescript('v2.ts'), skip: false },
  'mcp (Python)': { command: async () => [join(python.path, 'python'), join(sources, 'client.py')], skip: python.skip },
  'go-sdk': {
    command: async () => {
      await cp(sources, built, { recursive: true })
      await build(go.path, ['build', '-o', 'judge', '.'], built)
      return [join(built, 'judge')]
    },
    skip: go.skip
  }
}

interface Person { url: string, asked: () => number, close (): void }

/** Serves the person to the programs: the body is where they are sent, the answer where they come back. */
async function servePerson ({ person }: Scene, edit: (back: URL) => void = () => {}): Promise<Person> {
  let asked = 0
  const server = createServer(async (request, response) => {
    asked++
    try {
      const back = await person.allow(new URL(await text(request)))
      edit(back)
      response.end(back.href)
    } catch (error) {
      response.writeHead(500).end(String(error))
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked,
    close () {
      server.close()
      server.closeAllConnections()
    }
  }
}

interface Step { step: string, text?: string, isNew?: boolean, access?: string, refresh?: string, clientId?: string }

class Installation {
  readonly #child: ChildProcessWithoutNullStreams
  #said = ''
  errors = ''

  constructor ([program, ...parameters]: readonly [string, ...string[]], env: Record<string, string>) {
    this.#child = spawn(program, parameters, { env: ownEnvironment(env) })
    this.#child.stdout.on('data', bytes => { this.#said += String(bytes) })
    this.#child.stderr.on('data', bytes => { this.errors += String(bytes) })
  }

  get steps (): Step[] {
    return this.#said.split('\n').slice(0, -1).map(line => JSON.parse(line) as Step)
  }

  /** The steps, once there are so many. @throws what it says of its failure where it ends before. */
  async reach (count: number): Promise<Step[]> {
    await until(`${count} steps`, () => {
      if (this.#child.exitCode !== null && this.steps.length < count) throw new Error(this.#said + this.errors)
      return this.steps.length >= count
    })
    return this.steps
  }

  async readAgain (): Promise<Step> {
    const { length } = this.steps
    this.#child.stdin.write('\n')
    return (await this.reach(length + 1)).at(-1)!
  }

  /** Its exit code. */
  async end (): Promise<number | null> {
    this.#child.stdin.end()
    if (this.#child.exitCode === null) await once(this.#child, 'close')
    return this.#child.exitCode
  }
}

async function follow (t: Test, scene: Scene, command: readonly [string, ...string[]], document: string | null) {
  const person = await servePerson(scene)
  t.teardown(person.close)
  const start = () => new Installation(command, {
    MCP_URL: scene.url, REDIRECT_URI: scene.callback, PERSON: person.url, METADATA_URL: document ?? ''
  })
  const installations = [start(), start()]
  const [first, second] = installations as [Installation, Installation]
  for (const installation of installations) {
    const [read, refresh, again, write, tokens] = await installation.reach(5)
    const notes = `the notes of ${scene.member}`
    t.strictSame([read, refresh, again], [
      { step: 'read', text: notes }, { step: 'refresh', isNew: true }, { step: 'read', text: notes }
    ])
    t.strictSame(write, { step: 'write', text: `${tokens!.clientId} wrote for ${scene.member}` })
    if (document === null) t.match(tokens!.clientId, /^cli_/)
    else t.equal(tokens!.clientId, document)
  }
  const asked = person.asked()
  // The Go SDK asks twice where its first message is not answered in time.
  t.ok(asked >= 4, 'the person is asked for reading and for writing, by each')
  const { refresh, clientId } = first.steps[4]!
  const revoked = await scene.latchkey.send({
    method: 'POST',
    path: '/api/v1/oauth/revoke',
    body: new URLSearchParams({ token: refresh!, client_id: clientId! })
  })
  t.equal(revoked.status, 200)
  t.match((await second.readAgain()).text, scene.member)
  t.equal(person.asked(), asked, 'the end of one installation does not touch the other')
  t.match((await first.readAgain()).text, scene.member)
  t.ok(person.asked() > asked, 'the installation that was ended has to ask again')
  for (const installation of installations) t.equal(await installation.end(), 0, installation.errors)
}

/** An authorization response of another server, at which the client must not redeem its code (RFC 9207). */
async function mixUp (t: Test, scene: Scene, command: readonly [string, ...string[]]) {
  const person = await servePerson(scene, back => { back.searchParams.set('iss', 'https://attacker.example') })
  t.teardown(person.close)
  const redeemed = () => scene.latchkey.lines.filter(line => line.includes('/api/v1/auth/token')).length
  const before = redeemed()
  const client = new Installation(command, {
    MCP_URL: scene.url, REDIRECT_URI: scene.callback, PERSON: person.url, METADATA_URL: ''
  })
  t.not(await client.end(), 0)
  t.match(client.errors, /iss/i)
  t.ok(person.asked() > 0)
  t.ok(before > 0)
  t.equal(redeemed(), before, 'no code is sent anywhere')
}

for (const [name, { command, skip }] of Object.entries(clients)) {
  tap.test(`${name}: registers, reads, refreshes, asks for more; one of two installations ends`, { skip }, async t => {
    const scene = await openScene()
    t.teardown(scene.close)
    const program = await command()
    await follow(t, scene, program, null)
    await t.test('the same by its metadata document', async t => await follow(t, scene, program, scene.document))
    await t.test('the issuer of another server in the response is refused', async t => await mixUp(t, scene, program))
  })
}

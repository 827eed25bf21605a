/** The commands of docs/ai-budgets.md and of integrations/litellm/README.md run as they stand, on an empty server. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import tap, { type Test } from 'tap'
import { latchkeyCommand, run, startServer } from '../support/running-server.ts'

const root = resolve(import.meta.dirname, '../..')
const folder = await mkdtemp(join(tmpdir(), 'latchkey-ai-budgets-'))
tap.teardown(() => rm(folder, { recursive: true, force: true }))
await writeFile(join(folder, 'latchkey'), `#!/bin/sh\nexec "${process.execPath}" "${latchkeyCommand}" "$@"\n`)
await chmod(join(folder, 'latchkey'), 0o755)
await writeFile(join(folder, 'openai.key'), 'sk-0123456789abcdef\n')

/** The commands of a page, one a line. */
async function commandsOf (page: string, places: readonly (readonly [string, string])[]): Promise<string[]> {
  const text = await readFile(join(root, page), 'utf8')
  const blocks = [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block]) => block!.replaceAll('\\\n', ' '))
  return blocks.flatMap(block => block.trim().split('\n'))
    .map(line => places.reduce((filled, [from, to]) => filled.replaceAll(from, to), line))
}

/** As the issuer of a local server names itself. */
const local = (url: string) => url.replace('127.0.0.1', 'localhost')

async function follow (t: Test, page: string, hosts: readonly (readonly [string, (url: string) => string])[]) {
  const server = await startServer(t)
  const path = `${folder}${delimiter}${process.env.PATH}`
  const env = { ...server.environment, PATH: path, OPENAI_KEY: 'sk-0123456789abcdef' }
  const latchkey = async (command: string) => await run('sh', ['-c', command], { cwd: folder, env })
  const { stdout } = await latchkey('latchkey org create Tenant --json')
  const { id } = JSON.parse(stdout)
  const places = hosts.map(([from, to]) => [from, to(server.url)] as const)
  const commands = await commandsOf(page, [...places, ['$ORG', id], ['ORG', id]])
  const ours = commands.filter(command => /^(printf.*\| )?latchkey /.test(command))
  t.ok(ours.length >= 5, 'there is something to follow')
  for (const command of ours) {
    const ran = await latchkey(command)
    t.equal(ran.code, 0, `${command}\n${ran.stdout}${ran.stderr}`)
    t.notMatch(ran.stdout + ran.stderr, /sk-0123456789abcdef/)
  }
  return { commands, latchkey, id, url: server.url }
}

tap.test('every command of docs/ai-budgets.md works', async t => {
  const { commands, latchkey, id, url } = await follow(t, 'docs/ai-budgets.md', [['https://auth.example', local]])
  const { stdout } = await latchkey(`latchkey budget show --org ${id}`)
  t.match(stdout, /day +5000000 +0 +0 +5000000 /)
  t.match(stdout, /month +50000000 /)
  const { stdout: list } = await latchkey('latchkey provider-key list')
  t.match(list, /openai +the deployment +\w{16} +cdef/)

  const made = async (command: string) => JSON.parse((await latchkey(`latchkey ${command} --json`)).stdout)
  const create = commands.find(command => command.startsWith('latchkey client create'))!.replace('latchkey ', '')
  const { clientId, clientSecret } = await made(create)
  const { key } = await made(`key create --org ${id} --resource ${local(url)} --env live --access full --name caller`)
  const fill = (command: string, reservation = '') => command.replace('curl ', 'curl -sf ')
    .replace('GATEWAY:SECRET', `${clientId}:${clientSecret}`).replace('"KEY"', `"${key}"`)
    .replace('/ID/', `/${reservation}/`).replace('KEY_ID', /pvk_\w+/.exec(list)![0])
  const [reserve, settle, lease] = commands.filter(command => command.startsWith('curl ')) as [string, string, string]
  const reserved = JSON.parse((await latchkey(fill(reserve))).stdout)
  t.match(reserved, { status: 'open', principal: { kind: 'api_key' }, providerKey: { fingerprint: /^\w{16}$/ } })
  t.match(JSON.parse((await latchkey(fill(settle, reserved.id))).stdout), { status: 'settled', amount: 1500 })
  t.match(JSON.parse((await latchkey(fill(lease))).stdout), { key: 'sk-0123456789abcdef' })
  const { stdout: after } = await latchkey(`latchkey budget show --org ${id}`)
  t.match(after, /day +5000000 +1500 +0 +4998500 /)
})

tap.test('every command of integrations/litellm/README.md works, and the versions are those of the judge', async t => {
  const { commands } = await follow(t, 'integrations/litellm/README.md', [['$LATCHKEY_URL', local]])
  const judge = await readFile(join(root, 'test/judges/litellm/requirements.txt'), 'utf8')
  const [, version] = /'(litellm\[proxy\]==[\d.]+)'/.exec(commands.find(command => command.startsWith('pip'))!)!
  t.ok(judge.includes(version!))
})

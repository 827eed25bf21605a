/** integrations/litellm in the real proxy from PyPI: budgets hold to the micro-dollar, whatever fails in between. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request as requestTo } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import tap, { type Test } from 'tap'
import { sweepShortLived } from '../../src/domain/maintenance/housekeeping.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { pythonTools, run } from '../support/foreign-tools.ts'
import { createGateway, createTenant, type Gateway, type Tenant } from '../support/gateway.ts'
import { freshDatabase } from '../support/postgres.ts'
import { freePort, ownEnvironment, stop } from '../support/running-server.ts'
import { startServer, type Json, type TestServer } from '../support/test-server.ts'
import { eventually, until } from '../support/waiting.ts'
import { costOfCall, startUpstream, type Upstream } from './litellm/upstream.ts'

const root = resolve(import.meta.dirname, '../..')
const integration = join(root, 'integrations/litellm')
const caller = join(import.meta.dirname, 'litellm', 'caller.py')
const tools = await pythonTools(join(import.meta.dirname, 'litellm'))
const providerSecret = 'sk-real-provider-key-0123456789'
tap.setTimeout(1_800_000)

/** What a judge of one database works with. */
interface World {
  servers: TestServer[]
  gateway: Gateway
  upstream: Upstream
  url: string
  /** What it has logged. */
  said (): string
  /** As a crash: it is started again. */
  kill (): Promise<void>
}

/** In front of several servers: every request goes to the next one. */
async function balancer (t: Test, servers: readonly TestServer[]): Promise<string> {
  let next = 0
  const server = createServer((incoming, answer) => {
    const target = new URL(servers[next++ % servers.length]!.url)
    const onward = requestTo({
      host: target.hostname, port: target.port, method: incoming.method, path: incoming.url, headers: incoming.headers
    }, from => {
      answer.writeHead(from.statusCode!, from.headers)
      from.pipe(answer)
    })
    onward.on('error', () => { answer.destroy() })
    incoming.pipe(onward)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The published configuration, with the fake provider's address, its prices, and one retry. */
async function configuration (folder: string, upstream: Upstream): Promise<void> {
  await cp(integration, folder, { recursive: true })
  const config = await readFile(join(folder, 'config.yaml'), 'utf8')
  const line = '      model: openai/gpt-4o-mini\n'
  if (!config.includes(line)) throw new Error('config.yaml has another model')
  await writeFile(join(folder, 'config.yaml'), config.replace(
    line,
    `${line}      api_base: ${upstream.url}\n      input_cost_per_token: 0\n      output_cost_per_token: 0.00002\n`
  ) + '\nrouter_settings:\n  num_retries: 1\n  retry_after: 0\n')
}

async function startLiteLLM (t: Test, servers: TestServer[], gateway: Gateway, upstream: Upstream): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-litellm-'))
  await configuration(folder, upstream)
  const port = await freePort()
  const said: string[] = []
  let child: ChildProcess
  const start = async (): Promise<void> => {
    child = spawn(join(tools.path, 'litellm'), [
      '--config', 'config.yaml', '--host', '127.0.0.1', '--port', String(port)
    ], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: ownEnvironment({
        LATCHKEY_URL: latchkey,
        LATCHKEY_CLIENT_ID: gateway.clientId,
        LATCHKEY_CLIENT_SECRET: gateway.clientSecret,
        LATCHKEY_RESOURCE: servers[0]!.issuer,
        LITELLM_MASTER_KEY: `sk-${newSecret()}`,
        LITELLM_LOCAL_MODEL_COST_MAP: 'True',
        LITELLM_LOG: 'DEBUG',
        PYTHONDONTWRITEBYTECODE: '1'
      })
    })
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', bytes => { said.push(String(bytes)) })
    await until('LiteLLM listens', async () => {
      if (child.exitCode !== null) throw new Error(`LiteLLM did not start:\n${said.join('').slice(-4_000)}`)
      return (await fetch(`http://127.0.0.1:${port}/health/liveliness`).catch(() => null))?.ok === true
    })
  }
  const latchkey = await balancer(t, servers)
  t.teardown(async () => {
    await stop(child)
    await rm(folder, { recursive: true, force: true })
  })
  await start()
  return {
    servers,
    gateway,
    upstream,
    url: `http://127.0.0.1:${port}`,
    said: () => said.join(''),
    async kill () {
      child.kill('SIGKILL')
      await once(child, 'close')
      await start()
    }
  }
}

/** A batch of calls by openai's client. */
async function call ({ url }: World, key: string, order: Json): Promise<Json[]> {
  const { code, output } = await run(join(tools.path, 'python'), [
    caller, JSON.stringify({ url, key, body: { max_tokens: 100 }, text: 'hello', ...order })
  ])
  if (code !== 0) throw new Error(output)
  return JSON.parse(output.trim().split('\n').at(-1)!)
}

const statusesOf = (outcomes: Json[]): number[] => outcomes.map(({ status }) => status)

async function monthOf ({ servers }: World, id: string): Promise<Json> {
  return (await servers[0]!.admin('GET', `/budgets/organizations/${id}`)).json.month
}

/** The month once nothing is reserved any more: settlements arrive behind the answers. */
async function settledMonth (world: World, id: string): Promise<Json> {
  return await eventually(() => monthOf(world, id), ({ reserved }) => reserved === 0)
}

async function tenantWith ({ servers: [server] }: World, calls: number): Promise<Tenant> {
  const tenant = await createTenant(server!)
  const month = calls * costOfCall
  await server!.admin('PUT', `/budgets/organizations/${tenant.id}`, { day: null, month })
  return tenant
}

const starts: { name: string, start (t: Test): Promise<TestServer[]> }[] = [
  {
    name: 'sqlite',
    start: async t => {
      const server = await startServer()
      t.teardown(server.close)
      return [server]
    }
  },
  {
    name: 'postgresql',
    start: async t => {
      const database = await freshDatabase()
      const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
      const a = await startServer({ database: database.url, environment })
      const b = await startServer({ database: database.url, environment, issuer: a.issuer })
      t.teardown(async () => {
        await Promise.all([a.close(), b.close()])
        await database.drop()
      })
      return [a, b]
    }
  }
]

for (const { name, start } of starts) {
  tap.test(`LiteLLM in front of ${name === 'sqlite' ? 'one server' : 'two servers'} [${name}]`, tools, async t => {
    const servers = await start(t)
    const upstream = await startUpstream()
    t.teardown(upstream.close)
    const server = servers[0]!
    const gateway = await createGateway(server)
    await server.admin('POST', '/provider-keys', { organization: null, provider: 'openai', key: providerSecret })
    const world = await startLiteLLM(t, servers, gateway, upstream)

    await t.test('OC-10: of 200 calls, 40 at once, on a budget for 50, the provider is called 50 times', async t => {
      const { id, key } = await tenantWith(world, 50)
      const before = upstream.keys.length
      const outcomes = await call(world, key, { calls: 200, atOnce: 40 })
      t.equal(statusesOf(outcomes).filter(status => status === 200).length, 50, JSON.stringify(outcomes[0]))
      t.strictSame(outcomes.filter(({ status }) => status !== 200 && status !== 429), [])
      t.equal(upstream.keys.length - before, 50)
      t.match(await settledMonth(world, id), { spent: 50 * costOfCall, reserved: 0, left: 0 })
      t.strictSame([...new Set(upstream.keys)], [providerSecret])
      t.match(outcomes.find(({ status }) => status === 429)!.error, /budget of the organization for the month/)
    })

    await t.test('a failed attempt whose retry succeeds is paid, and one that fails for good is not', async t => {
      const { id, key } = await tenantWith(world, 5)
      t.strictSame(statusesOf(await call(world, key, { text: `fail once ${id}` })), [200])
      t.match(await eventually(() => monthOf(world, id), ({ spent }) => spent > 0), { spent: costOfCall, reserved: 0 })
      t.strictSame(statusesOf(await call(world, key, { text: `fail always ${id}` })), [500])
      t.match(await settledMonth(world, id), { spent: costOfCall, reserved: 0 })
    })

    await t.test('what a failed attempt has reserved stays reserved while the call is tried again', async t => {
      const { id, key } = await tenantWith(world, 5)
      const outcomes = await Promise.all([
        call(world, key, { text: `fail once ${id}` }), call(world, key, { calls: 20, atOnce: 5 })
      ])
      t.equal(statusesOf(outcomes.flat()).filter(status => status === 200).length, 5)
      t.match(await settledMonth(world, id), { spent: 5 * costOfCall, reserved: 0 })
    })

    await t.test('a stream is paid, and so is the part of one whose caller hung up', async t => {
      const { id, key } = await tenantWith(world, 5)
      t.match(await call(world, key, { stream: true }), [{ status: 200 }])
      t.match(await eventually(() => monthOf(world, id), ({ spent }) => spent > 0), { spent: costOfCall })
      const abandoned = upstream.abandoned
      t.match(await call(world, key, { stream: true, text: 'slowly', hangUpAfter: 3 }), [{ chunks: 3 }])
      const { spent } = await settledMonth(world, id)
      t.ok(spent > costOfCall && spent < 2 * costOfCall, `${spent}`)
      t.ok(await eventually(async () => upstream.abandoned, count => count === abandoned + 1))
    })

    await t.test('a call under way when the gateway is killed is charged at its end, once, and shown', async t => {
      const { id, key } = await tenantWith(world, 5)
      const under = call(world, key, { text: 'hang' })
      t.ok(await eventually(() => monthOf(world, id), ({ reserved }) => reserved === costOfCall))
      await world.kill()
      t.strictSame(statusesOf(await under), [0])
      for (const each of servers) each.clock.advance(601)
      await Promise.all(servers.map(async ({ latchkey }) => { await sweepShortLived(latchkey.operation) }))
      t.match(await monthOf(world, id), { spent: costOfCall, reserved: 0 })
      const { json } = await server.admin('GET', `/spend/reservations?organization=${id}&status=unsettled`)
      t.match(json.data, [{ amount: costOfCall, status: 'unsettled' }])
    })

    await t.test('a revoked key is refused with the next call', async t => {
      const { key, keyId } = await tenantWith(world, 5)
      t.strictSame(statusesOf(await call(world, key, {})), [200])
      await server.admin('POST', `/api-keys/${keyId}/revoke`)
      const before = upstream.keys.length
      t.strictSame(statusesOf(await call(world, key, {})), [401])
      t.strictSame(statusesOf(await call(world, 'nonsense', {})), [401])
      t.equal(upstream.keys.length, before)
    })

    await t.test('a caller brings neither a key, an address, a price nor a reservation of its own', async t => {
      const { id, key } = await tenantWith(world, 5)
      const before = upstream.keys.length
      for (const extra of [
        { api_key: 'sk-mine' }, { api_base: 'http://127.0.0.1:1' }, { base_url: 'http://127.0.0.1:1' },
        { output_cost_per_token: 0 }, { mock_response: 'free' }, { fallbacks: ['other'] }, { litellm_metadata: {} }
      ]) {
        const [outcome] = await call(world, key, { body: { max_tokens: 100, extra_body: extra } })
        // Some are refused by LiteLLM itself, with 500.
        t.ok(outcome!.status >= 400, `${JSON.stringify(extra)}: ${JSON.stringify(outcome)}`)
      }
      t.equal(upstream.keys.length, before)
      const forged = { metadata: { latchkey_reservation: 'rsv_of_another' } }
      t.strictSame(statusesOf(await call(world, key, { body: { max_tokens: 100, extra_body: forged } })), [200])
      t.match(await settledMonth(world, id), { spent: costOfCall, reserved: 0 })
      for (const path of ['/key/generate', '/config/yaml', '/v1/files', '/openai/deployments/small/chat/completions']) {
        const headers = { authorization: `Bearer ${key}` }
        const { status } = await fetch(world.url + path, { method: 'POST', headers })
        t.not(status, 200, path)
      }
    })

    await t.test('all that a caller asks for is in the estimate, and how it is asked changes nothing', async t => {
      const { id, key } = await tenantWith(world, 5)
      const before = upstream.keys.length
      const ask = async (body: Json, more: Record<string, string> = {}): Promise<number> => (
        await fetch(`${world.url}/v1/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...more },
          body: JSON.stringify({ model: 'small', messages: [{ role: 'user', content: 'hello' }], ...body })
        })
      ).status
      for (const body of [
        { max_tokens: 10_000, max_completion_tokens: 1 }, { max_tokens: 100, n: 50 }, { input: 'of an embedding' }
      ]) t.equal(await ask(body), 429, JSON.stringify(body))
      for (const body of [{ max_tokens: -1 }, { max_tokens: 0.5 }, { max_tokens: '1' }, { max_tokens: 1, n: -1 }]) {
        t.equal(await ask(body), 400, JSON.stringify(body))
      }
      for (const name of ['x-litellm-timeout', 'x-litellm-num-retries']) {
        t.equal(await ask({ max_tokens: 100 }, { [name]: '1' }), 400, name)
      }
      t.equal(await ask({ max_tokens: 100 }, { 'content-type': 'text/plain' }), 415)
      t.equal(upstream.keys.length, before)
      t.match(await monthOf(world, id), { spent: 0, reserved: 0 })
    })

    await t.test('OC-09: no provider key is in any answer, log, audit row or model list', async t => {
      const { key } = await tenantWith(world, 5)
      const infos = await Promise.all(['/model/info', '/v1/models'].map(async path => {
        const answer = await fetch(world.url + path, { headers: { authorization: `Bearer ${key}` } })
        t.equal(answer.status, 200, path)
        return await answer.text()
      }))
      const { text: audit } = await server.admin('GET', '/audit?limit=200')
      const { text: keys } = await server.admin('GET', '/provider-keys')
      t.match(audit, /provider_key\.leased/)
      for (const [where, text] of Object.entries({ infos: infos.join(''), audit, keys, log: world.said() })) {
        t.notOk(text.includes(providerSecret), where)
        t.notOk(text.includes(key), where)
      }
    })
  })
}

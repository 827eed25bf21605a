/** The samples of deploy/reverse-proxy in front of real servers, in the nginx and the Caddy of this machine. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { request as plainRequest } from 'node:http'
import { request } from 'node:https'
import tap, { type Test } from 'tap'
import { makeAuthority } from '../support/certificates.ts'
import { foreignProgram } from '../support/foreign-programs.ts'
import { freshDatabase } from '../support/postgres.ts'
import { freePort, startServer, stop, type RunningServer } from '../support/running-server.ts'
import { basic } from '../support/test-server.ts'
import { until } from '../support/waiting.ts'

const site = 'auth.example.com'
const samples = resolve(import.meta.dirname, '../../deploy/reverse-proxy')
const adminToken = 'lkadm_Zk4vD8sB1nX6mQ0wE3rT9yU5iO7pA2-f'
const nginx = foreignProgram('nginx', 'apt-get install nginx')
const caddy = foreignProgram('caddy', 'apt-get install caddy')

interface Ports { tls: number, plain: number }

interface Proxied extends Ports {
  authority: string
  folder: string
  /** The URL of the server behind the proxy. */
  upstream: string
}

interface Answer { status: number, body: string, location: string | undefined }

/** A text of a sample replaced by that of a test. @throws if the sample lacks it. */
function replaced (sample: string, texts: readonly (readonly [before: string, after: string])[]): string {
  return texts.reduce((text, [before, after]) => {
    if (!text.includes(before)) throw new Error(`the sample lacks ${before}`)
    return text.replaceAll(before, after)
  }, sample)
}

async function behind (
  t: Test,
  program: string,
  parametersFor: Parameters,
  database: string | null = null
): Promise<Proxied> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-proxy-'))
  const authority = makeAuthority()
  const { certificate, key } = authority.certify(site)
  await writeFile(join(folder, 'fullchain.pem'), certificate)
  await writeFile(join(folder, 'privkey.pem'), key)
  const settings = {
    LATCHKEY_ISSUER: `https://${site}`,
    LATCHKEY_SECRET: 'b3K9xQ2mT7vR1yW5zN8cH4jL6pS0dF-G',
    LATCHKEY_ADMIN_TOKEN: adminToken,
    LATCHKEY_TRUST_PROXY: '127.0.0.1',
    LATCHKEY_LOG_LEVEL: 'info',
    ...(database === null ? {} : { DATABASE_URL: database })
  }
  const servers = [await startServer(t, settings)]
  const [server] = servers as [RunningServer]
  const ports = { tls: await freePort(), plain: await freePort() }
  // Without a database for both, the second server is gone: each request has to find the first.
  if (database !== null) servers.push(await startServer(t, settings))
  const upstreams = servers.map(({ url }) => url.replace('http://', ''))
  if (database === null) upstreams.push(`127.0.0.1:${await freePort()}`)
  const child = spawn(program, await parametersFor(folder, upstreams, ports), {
    stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, HOME: folder, SITE: site, UPSTREAMS: upstreams.join(' ') }
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', bytes => { said += String(bytes) })
  t.teardown(async () => {
    await stop(child)
    await rm(folder, { recursive: true, force: true })
  })
  const proxied = { ...ports, authority: authority.certificate, folder, upstream: server.url }
  await until(`${program} answers`, async () => {
    if (child.exitCode !== null) throw new Error(said)
    return await ask(proxied, '/healthz').then(({ status }) => status === 200, () => false)
  })
  proxies.set(proxied, servers.map(({ said }) => said))
  return proxied
}

/** What the servers behind a proxy have said. */
const proxies = new Map<Proxied, (() => string)[]>()

/** A request to the proxy by the name of the site, its certificate checked. */
function ask (
  { tls, authority }: Proxied, path: string, { method = 'GET', headers = {}, body = '' }: {
    method?: string, headers?: Record<string, string>, body?: string
  } = {}
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({
      host: '127.0.0.1', port: tls, servername: site, ca: authority, path, method, headers: { host: site, ...headers }
    }, answer => { collect(answer, resolve, reject) })
    sent.on('error', reject)
    sent.end(body)
  })
}

function collect (
  answer: import('node:http').IncomingMessage, resolve: (answer: Answer) => void, reject: (error: Error) => void
): void {
  let body = ''
  answer.setEncoding('utf8').on('data', (text: string) => { body += text }).on('error', reject)
  answer.on('end', () => { resolve({ status: answer.statusCode!, body, location: answer.headers.location }) })
}

async function judge (t: Test, proxied: Proxied): Promise<void> {
  const api = async (path: string, body: object) => {
    const { status, body: text } = await ask(proxied, `/api/v1${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    t.equal(status, 201, text)
    return JSON.parse(text) as { id: string, key?: string }
  }
  const organization = await api('/organizations', { name: 'Acme' })
  await api('/resources', { identifier: 'https://api.acme.test', scopes: [{ name: 'invoices:read' }] })
  const grant = { organization: organization.id, resource: 'https://api.acme.test', scopes: ['invoices:read'] }
  const own = await api('/api-keys', { ...grant, name: 'own', environment: 'live', allowlist: ['127.0.0.1'] })
  const foreign = await api('/api-keys', { ...grant, name: 'foreign', environment: 'live', allowlist: ['203.0.113.9'] })
  const forged = {
    'x-forwarded-for': '203.0.113.9',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'evil.test',
    forwarded: 'for=203.0.113.9',
  }
  const principal = async (key: string, headers = {}) =>
    (await ask(proxied, '/api/v1/principal', { headers: { 'x-api-key': key, ...headers } })).status
  t.equal(await principal(own.key!), 200, 'the allowlist sees the address of the caller')
  t.equal(await principal(own.key!, forged), 200, 'what the caller says of itself is replaced')
  t.equal(await principal(foreign.key!, forged), 401, 'an address cannot be forged')

  const metadata = await ask(proxied, '/.well-known/oauth-authorization-server', { headers: forged })
  t.equal((JSON.parse(metadata.body) as { issuer: string }).issuer, `https://${site}`)
  for (const path of ['/prom', '/readyz', '/%70rom', '/prom?x=1']) {
    t.equal((await ask(proxied, path)).status, 404, `${path} is not public`)
  }
  t.equal((await fetch(`${proxied.upstream}/readyz`)).status, 200)
  t.equal((await ask(proxied, '/api/v1/principal?api_key=lb_live_of_a_query', {})).status, 401)
  const encoded = await ask(proxied, '/api/v1/organizations/a%2Fb%2e', {
    headers: { authorization: `Bearer ${adminToken}` }
  })
  t.equal(encoded.status, 404)
  const large = await ask(proxied, '/api/v1/organizations', {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'x'.repeat(70_000) }),
  })
  t.match([large.status, large.body], [413, '"code":"PAYLOAD_TOO_LARGE"'], 'the answer is that of Latchkey')
  const statuses = await Promise.all(Array.from({ length: 50 }, () => ask(proxied, '/.well-known/jwks.json')))
  t.strictSame(new Set(statuses.map(({ status }) => status)), new Set([200]), 'one server of two is enough')
  for (const said of proxies.get(proxied)!) t.notMatch(said(), /203\.0\.113\.9/)
}

type Parameters = (folder: string, upstreams: readonly string[], ports: Ports) => Promise<string[]>

const nginxBy: Parameters = async (folder, upstreams, { tls, plain }) => {
  const sample = replaced(await readFile(join(samples, 'nginx.conf'), 'utf8'), [
    ['127.0.0.1:3000', upstreams[0]!], ['127.0.0.1:3001', upstreams[1]!],
    ['listen 80;', `listen 127.0.0.1:${plain};`], ['listen 443 ssl;', `listen 127.0.0.1:${tls} ssl;`],
    ['/etc/ssl/latchkey/', `${folder}/`], ['/var/log/nginx/', `${folder}/`],
  ])
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name =>
    `${name}_temp_path ${folder}/${name};`).join('\n')
  const file = join(folder, 'nginx.conf')
  await writeFile(file, [
    `daemon off; pid ${folder}/pid; error_log stderr;`, `events {} http { ${temporary}`, sample, '}'
  ].join('\n'))
  return ['-c', file, '-p', folder, '-e', 'stderr']
}

const caddyBy: Parameters = async (folder, _upstreams, { tls, plain }) => {
  const sample = replaced(await readFile(join(samples, 'Caddyfile'), 'utf8'), [
    ['\tadmin off\n', `\tadmin off\n\thttp_port ${plain}\n\thttps_port ${tls}\n\tdefault_bind 127.0.0.1\n`],
    ['{$SITE:localhost} {\n', `{$SITE:localhost} {\n\ttls ${folder}/fullchain.pem ${folder}/privkey.pem\n`],
  ])
  await writeFile(join(folder, 'Caddyfile'), sample)
  return ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile']
}

tap.test('nginx in front of Latchkey, by deploy/reverse-proxy/nginx.conf', nginx, async t => {
  const proxied = await behind(t, nginx.path, nginxBy)
  await judge(t, proxied)
  const moved = await new Promise<Answer>((resolve, reject) => {
    plainRequest({ host: '127.0.0.1', port: proxied.plain, path: '/x?y=1', headers: { host: site } }, answer => {
      collect(answer, resolve, reject)
    }).on('error', reject).end()
  })
  t.match(moved, { status: 308, location: `https://${site}/x?y=1` })
  const log = await readFile(join(proxied.folder, 'latchkey.log'), 'utf8')
  t.match(log, '"GET /api/v1/principal" 401')
  t.notMatch(log, 'lb_live_of_a_query', 'the log has no query')
})

tap.test('Caddy in front of Latchkey, by deploy/reverse-proxy/Caddyfile', caddy, async t => {
  await judge(t, await behind(t, caddy.path, caddyBy))
})

for (const [program, parametersFor] of [[nginx, nginxBy], [caddy, caddyBy]] as const) {
  tap.test(`behind two servers a guard has its session on one: ${program.path}`, program, async t => {
    const database = await freshDatabase()
    t.teardown(database.drop)
    const proxied = await behind(t, program.path, parametersFor, database.url)
    const post = async (path: string, authorization: string, body: object) => {
      const headers = { authorization, 'content-type': 'application/json' }
      const { status, body: text } = await ask(proxied, `/api/v1${path}`, {
        method: 'POST', headers, body: JSON.stringify(body)
      })
      return { status, json: JSON.parse(text) as Record<string, any>, text }
    }
    const resource = `https://${site}`
    const made = await post('/clients', `Bearer ${adminToken}`, {
      organization: null, name: 'guard', grants: [], introspects: [resource]
    })
    t.equal(made.status, 201, made.text)
    const guard = basic(made.json.clientId, made.json.clientSecret)
    const { json: { session } } = await post('/guard/sessions', guard, { resource })
    for (let i = 0; i < 20; i++) {
      const { status, text } = await post(`/guard/sessions/${session}/lookup`, guard, {
        credential: 'lb_live_of_nothing', kind: 'api_key'
      })
      t.equal(status, 200, text)
    }
    const issued = await Promise.all(Array.from({ length: 40 }, () => ask(proxied, '/.well-known/jwks.json')))
    t.ok(issued.every(({ status }) => status === 200))
    for (const said of proxies.get(proxied)!) t.match(said(), '/.well-known/jwks.json', 'others go to any server')
  })
}

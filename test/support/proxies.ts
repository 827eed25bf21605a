/** Debian's nginx and Caddy with the samples of deploy/, between a caller and an API that says what reached it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { freePort, stop } from './running-server.ts'
import { until } from './waiting.ts'

const root = resolve(import.meta.dirname, '../..')

/** A request as the API received it. `headers`: names and values as they were sent. */
export interface Seen { method: string, url: string, headers: string[] }

export interface Upstream {
  port: number
  /** What arrived, the latest last. */
  seen: Seen[]
  close (): Promise<void>
}

/** An API without any check of its own: it answers 200, and remembers what reached it. */
export async function startUpstream (): Promise<Upstream> {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    seen.push({ method: request.method!, url: request.url!, headers: request.rawHeaders })
    request.resume()
    response.setHeader('content-type', 'application/json').end('{"served":true}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async close () {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }
}

/** The values of a header that reached the API, in whatever spelling of `-`, `_` and case. */
export function valuesOf ({ headers }: Seen, name: string): string[] {
  const plain = (text: string) => text.toLowerCase().replaceAll('_', '-')
  return headers.filter((_, i) => i % 2 === 1 && plain(headers[i - 1]!) === plain(name))
}

export interface ProxyOptions {
  program: string
  latchkeyPort: number
  upstreamPort: number
  /** The id of the resource. */
  resource: string
  /** Further replacements in the sample: a text that must be there, and what stands in its place. */
  changes?: readonly (readonly [from: string | RegExp, to: string])[]
}

export interface Proxy {
  port: number
  /** Where it keeps its files, its log among them. */
  folder: string
  close (): Promise<void>
}

/** nginx with deploy/nginx/forward-auth.conf, listening on loopback without TLS. */
export async function startNginx (options: ProxyOptions): Promise<Proxy> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-nginx-'))
  await chmod(folder, 0o755)
  const port = await freePort()
  const sample = await sampleWith('deploy/nginx/forward-auth.conf', [
    ['listen 443 ssl;', `listen 127.0.0.1:${port};`],
    [/^ *ssl_certificate(_key)? .*;\n/gm, ''],
    ['server 127.0.0.1:3000;', `server 127.0.0.1:${options.latchkeyPort};`],
    ['server 127.0.0.1:8080;', `server 127.0.0.1:${options.upstreamPort};`],
    ...options.changes ?? [],
    ['RESOURCE_ID', options.resource]
  ])
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  await writeFile(join(folder, 'nginx.conf'), [
    'daemon off; master_process off; worker_processes 1;',
    `pid ${folder}/nginx.pid; error_log ${folder}/error.log info;`,
    'events { worker_connections 256; }',
    'http {',
    '  access_log off;',
    ...temporary.map(name => `  ${name}_temp_path ${folder}/${name};`),
    sample,
    '}',
    ''
  ].join('\n'))
  const parameters = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')]
  const child = spawn(options.program, parameters, { stdio: ['ignore', 'ignore', 'pipe'] })
  return await listening(child, port, folder)
}

/** Caddy with deploy/caddy/Caddyfile, listening on loopback without TLS. */
export async function startCaddy (options: ProxyOptions): Promise<Proxy> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-caddy-'))
  const port = await freePort()
  const sample = await sampleWith('deploy/caddy/Caddyfile', [
    ['api.example.com {', `http://127.0.0.1:${port} {\n\tbind 127.0.0.1`],
    ['forward_auth 127.0.0.1:3000', `forward_auth 127.0.0.1:${options.latchkeyPort}`],
    ['reverse_proxy 127.0.0.1:8080', `reverse_proxy 127.0.0.1:${options.upstreamPort}`],
    ...options.changes ?? [],
    ['RESOURCE_ID', options.resource]
  ])
  await writeFile(join(folder, 'Caddyfile'), `{\n\tadmin off\n\tauto_https off\n}\n${sample}`)
  const child = spawn(options.program, ['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  })
  return await listening(child, port, folder)
}

/** The sample with each replacement made. @throws when a text is not there: the sample has changed. */
async function sampleWith (name: string, changes: NonNullable<ProxyOptions['changes']>): Promise<string> {
  let text = await readFile(join(root, name), 'utf8')
  for (const [from, to] of changes) {
    const changed = text.replaceAll(from, () => to)
    if (changed === text) throw new Error(`${name} has no ${String(from)}`)
    text = changed
  }
  return text
}

async function listening (child: ChildProcess, port: number, folder: string): Promise<Proxy> {
  let said = ''
  child.stderr!.on('data', bytes => { said += String(bytes) })
  const close = async () => {
    await stop(child)
    await rm(folder, { recursive: true, force: true })
  }
  await until('the proxy listens', async () => {
    if (child.exitCode !== null) throw new Error(`the proxy did not start:\n${said}`)
    const socket = connect(port, '127.0.0.1')
    const listens = await once(socket, 'connect').then(() => true, () => false)
    socket.destroy()
    return listens
  })
  return { port, folder, close }
}

export interface ProxiedAnswer { status: number, headers: IncomingHttpHeaders, rawHeaders: string[], text: string }

/** A request to a proxy from an address of 127.0.0.0/8. `headers`: a list of names and values. */
export async function throughProxy (
  { port }: Pick<Proxy, 'port'>, path: string, headers: readonly string[] = [], method = 'GET', from = '127.0.0.1'
): Promise<ProxiedAnswer> {
  const outgoing = httpRequest({
    host: '127.0.0.1',
    port,
    path,
    method,
    localAddress: from,
    headers: [...headers, 'host', `127.0.0.1:${port}`] as never
  })
  outgoing.end()
  const [incoming] = await once(outgoing, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  return {
    status: incoming.statusCode,
    headers: incoming.headers,
    rawHeaders: incoming.rawHeaders,
    text: Buffer.concat(chunks).toString()
  }
}

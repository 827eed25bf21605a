/** Several servers as an operator starts them, each a process, on one PostgreSQL. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, createServer, request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newSecret } from '../../src/secrets/random.ts'
import { freePort, latchkeyCommand, listening, ownEnvironment, stop } from './running-server.ts'

export interface Member { url: string, process: ChildProcess }

export interface Reply { status: number, json: Record<string, any> }

export interface Cluster {
  members: readonly Member[]
  issuer: string
  adminToken: string
  /** Calls the management API of the server at `url`. @throws unless it succeeds. */
  manage (url: string, method: string, path: string, body?: object): Promise<Record<string, any>>
  /** Sends a management API key to the server at `url`; resolves to the status of the answer. */
  check (url: string, key: string): Promise<number>
  /** Creates a key that can list keys. */
  createKey (url: string): Promise<{ id: string, key: string }>
  /** Stops the n-th server gracefully, and starts it again. */
  restart (n: number): Promise<void>
  stop (): Promise<void>
}

/** Starts `size` servers; `lease` in milliseconds. */
export async function startCluster (database: string, size: number, lease: number): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-cluster-'))
  const adminToken = `lkadm_${newSecret()}`
  const ports = await Promise.all(Array.from({ length: size }, freePort))
  const issuer = `http://localhost:${ports[0]}`
  const shared = {
    DATABASE_URL: database,
    LATCHKEY_ISSUER: issuer,
    LATCHKEY_SECRET: newSecret(),
    LATCHKEY_ADMIN_TOKEN: adminToken,
    LATCHKEY_REPLICA_LEASE: String(lease),
    LATCHKEY_LOG_LEVEL: 'warn'
  }
  const members: Member[] = []
  const agent = new Agent({ keepAlive: true })
  const end = async () => {
    agent.destroy()
    for (const { process } of members) process.kill('SIGCONT')
    await Promise.all(members.map(member => stop(member.process)))
    await rm(folder, { recursive: true, force: true })
  }
  try {
    // One after the other: the first one migrates.
    for (const port of ports) {
      members.push(await startMember(join(folder, String(port)), { ...shared, PORT: String(port) }))
    }
  } catch (error) {
    await end()
    throw error
  }
  const manage = async (url: string, method: string, path: string, body?: object) => {
    const { status, json } = await exchange(agent, `${url}/api/v1${path}`, method, {
      authorization: `Bearer ${adminToken}`
    }, body)
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(json)}`)
    return json
  }
  const organization: string = (await manage(members[0]!.url, 'POST', '/organizations', { name: 'Acme' })).id
  return {
    members,
    issuer,
    adminToken,
    manage,
    check: async (url, key) => (await exchange(agent, `${url}/api/v1/api-key`, 'GET', { 'x-api-key': key })).status,
    createKey: async url =>
      await manage(url, 'POST', '/api-keys', {
        organization, resource: `${issuer}/api/v1`, environment: 'live', name: 'ci', scopes: ['api-keys:read']
      }) as { id: string, key: string },
    async restart (n) {
      await stop(members[n]!.process)
      const port = String(ports[n])
      // This line says that the server listens.
      await rm(join(folder, port, 'server.json'), { force: true })
      members[n] = await startMember(join(folder, port), { ...shared, PORT: port })
    },
    stop: end,
  }
}

async function startMember (folder: string, environment: Record<string, string>): Promise<Member> {
  const server = spawn(process.execPath, [latchkeyCommand, 'serve'], {
    env: ownEnvironment({ ...environment, LATCHKEY_DATA: folder }), stdio: ['ignore', 'ignore', 'pipe']
  })
  let said = ''
  server.stderr.on('data', bytes => { said += String(bytes) })
  await listening(folder, server, () => said)
  return { url: `http://127.0.0.1:${environment.PORT}`, process: server }
}

async function exchange (
  agent: Agent, url: string, method: string, headers: Record<string, string>, body?: object
): Promise<Reply> {
  const payload = body === undefined ? '' : JSON.stringify(body)
  const outgoing = request(url, {
    agent,
    method,
    headers: {
      ...headers,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      'content-length': Buffer.byteLength(payload)
    }
  })
  outgoing.end(payload)
  const [incoming] = await once(outgoing, 'response') as [IncomingMessage]
  let text = ''
  for await (const chunk of incoming) text += String(chunk)
  return { status: incoming.statusCode!, json: text === '' ? {} : JSON.parse(text) }
}

/** Forwards each request to the next of `urls`, as a load balancer does. */
export async function roundRobin (urls: readonly string[]): Promise<{ url: string, close (): Promise<void> }> {
  const agent = new Agent({ keepAlive: true })
  let turn = 0
  const server = createServer((incoming, answer) => {
    const outgoing = request(urls[turn++ % urls.length]! + incoming.url!, {
      agent, method: incoming.method!, headers: incoming.headers
    }, reply => {
      answer.writeHead(reply.statusCode!, reply.headers)
      reply.pipe(answer)
    })
    outgoing.on('error', () => { answer.writeHead(502).end() })
    incoming.pipe(outgoing)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close () {
      agent.destroy()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** An API in another process, guarded from its own memory: a program that prints its port, and a Latchkey process. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { freePort, latchkeyCommand, listening, ownEnvironment, stop } from './running-server.ts'
import { basic, type Json } from './test-server.ts'

/** A program that guards `GET /invoices`, which needs `invoices:read`. */
export interface GuardedApi {
  process: ChildProcess
  /** The status of `GET /invoices` with a credential. */
  ask (headers: Record<string, string>): Promise<number>
}

/** Starts it with the environment of a guard; resolves once it has printed its port. */
export async function startGuardedApi (
  t: Pick<Test, 'teardown'>, command: readonly string[], environment: Record<string, string>
): Promise<GuardedApi> {
  const { child, line } = await startProgram(t, command, { env: ownEnvironment(environment) })
  const url = `http://127.0.0.1:${Number(line)}/invoices`
  const ask = async (headers: Record<string, string>): Promise<number> => {
    const answer = await fetch(url, { headers })
    await answer.arrayBuffer()
    return answer.status
  }
  return { process: child, ask }
}

/** Starts a program until the test ends; resolves once it has printed its first line. */
export async function startProgram (
  t: Pick<Test, 'teardown'>, command: readonly string[], options: { env: Record<string, string>, cwd?: string }
): Promise<{ child: ChildProcess, line: string }> {
  const [program, ...parameters] = command as [string, ...string[]]
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  const said: string[] = []
  child.stderr.on('data', bytes => { said.push(String(bytes)) })
  t.teardown(async () => {
    // A stopped process takes no other signal.
    child.kill('SIGCONT')
    await stop(child)
  })
  const ended = once(child, 'close').then(() => { throw new Error(`the API did not start:\n${said.join('')}`) })
  const lines = createInterface({ input: child.stdout })
  const [line] = await Promise.race([once(lines, 'line'), ended]) as [string]
  ended.catch(() => {})
  return { child, line }
}

/** A Latchkey in a process of its own, with one resource of the style ledgerbee. */
export interface LatchkeyProcess {
  process: ChildProcess
  url: string
  resource: string
  organization: string
  manage (method: string, path: string, body?: Json): Promise<Json>
  /** A key for the resource. */
  createKey (more?: Json): Promise<{ id: string, key: string }>
  /** A client that may ask for tokens of the resource, and a token. */
  createToken (): Promise<{ clientId: string, token: string }>
  /** The environment of a guard of the resource. */
  guardEnvironment (): Promise<Record<string, string>>
}

const scopes = ['invoices:read']

export async function startLatchkeyProcess (t: Pick<Test, 'teardown'>): Promise<LatchkeyProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-guarded-'))
  const [port, adminToken] = [await freePort(), `lkadm_${newSecret()}`]
  const url = `http://127.0.0.1:${port}`
  const child = spawn(process.execPath, [latchkeyCommand, 'serve'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: ownEnvironment({
      PORT: String(port),
      LATCHKEY_DATA: folder,
      LATCHKEY_ISSUER: url,
      LATCHKEY_ADMIN_TOKEN: adminToken,
      LATCHKEY_SECRET: newSecret(),
      LATCHKEY_LOG_LEVEL: 'warn'
    })
  })
  const said: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', bytes => { said.push(String(bytes)) })
  t.teardown(async () => {
    child.kill('SIGCONT')
    await stop(child)
    await rm(folder, { recursive: true, force: true })
  })
  await listening(folder, child, () => said.join(''))
  const manage = async (method: string, path: string, body?: Json): Promise<Json> => {
    const answer = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) })
    })
    const json = await answer.json() as Json
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(json)}`)
    return json
  }
  const resource = 'https://api.guarded.test'
  await manage('POST', '/resources', {
    identifier: resource, name: 'API', style: 'ledgerbee', scopes: scopes.map(name => ({ name }))
  })
  const organization = (await manage('POST', '/organizations', { name: 'Acme' })).id as string
  const createClient = async (more: Json): Promise<Json> =>
    await manage('POST', '/clients', { organization, name: 'client', grants: [{ resource, scopes }], ...more })
  return {
    process: child,
    url,
    resource,
    organization,
    manage,
    createKey: async (more = {}) => await manage('POST', '/api-keys', {
      organization, resource, environment: 'live', name: 'ci', scopes, ...more
    }) as { id: string, key: string },
    createToken: async () => {
      const { clientId, clientSecret } = await createClient({})
      const answer = await fetch(`${url}/api/v1/auth/token`, {
        method: 'POST',
        headers: { authorization: basic(clientId, clientSecret) },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource })
      })
      return { clientId, token: ((await answer.json()) as Json).access_token }
    },
    guardEnvironment: async () => {
      const { clientId, clientSecret } = await createClient({ name: 'guard', introspects: [resource] })
      return {
        LATCHKEY_URL: url,
        LATCHKEY_CLIENT_ID: clientId,
        LATCHKEY_CLIENT_SECRET: clientSecret,
        LATCHKEY_RESOURCE: resource
      }
    }
  }
}

/** An API of node:http behind a remote guard, on a real server behind a proxy that can hold answers. */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'
import { httpGuard } from '../../packages/guard/src/http.ts'
import { openGuard, type RemoteGuardOptions } from '../../packages/guard/src/index.ts'
import { startServer, type Json, type ServerOptions } from './test-server.ts'
import { until } from './waiting.ts'

/** A request that went through the proxy. `key`: its Idempotency-Key; null: none. */
export interface Passed { method: string, path: string, body: string, status: number, key: string | null }

/** A request at the proxy. `isKept`: its connection has brought another before; `key`: its Idempotency-Key. */
export interface Question { path: string, isKept: boolean, key: string | null }

interface Replacement { status: number, body: string, type?: string }

/**
 * What the proxy does. `hold`: an answer, until the promise resolves. `replace`: another answer in its place. `lose`:
 * resets the connection in place of passing on a question, or its answer.
 */
export interface Tampering {
  lose? (question: Question): 'question' | 'answer' | null
  hold? (path: string, body: string): Promise<unknown> | null
  replace? (path: string, body: string): Replacement | null
}

async function startProxy (target: string, tampering: Tampering, passed: Passed[]) {
  const used = new WeakSet<Socket>()
  const proxy = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    const { method = 'GET', url: path = '/', headers, socket } = request
    const key = headers['idempotency-key'] as string | undefined ?? null
    const isKept = used.has(socket)
    used.add(socket)
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const lost = tampering.lose?.({ path, isKept, key }) ?? null
    if (lost === 'question') {
      socket.resetAndDestroy()
      return
    }
    const replacement = tampering.replace?.(path, body)
    if (replacement) {
      response.writeHead(replacement.status, { 'content-type': replacement.type ?? 'application/json' })
      response.end(replacement.body)
      return
    }
    httpRequest(target + path, { method, headers }, async answer => {
      let text = ''
      for await (const chunk of answer) text += String(chunk)
      passed.push({ method, path, body, status: answer.statusCode!, key })
      if (lost === 'answer') {
        socket.resetAndDestroy()
        return
      }
      await tampering.hold?.(path, body)
      response.writeHead(answer.statusCode!, { 'content-type': 'application/json' }).end(text)
    }).on('error', () => { response.destroy() }).end(body)
  })
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  return proxy
}

/** A server, a guard that follows it through a proxy, and an API with `GET /invoices`, which needs `invoices:read`. */
export async function startGuarded (
  t: Test, options: Partial<RemoteGuardOptions> = {}, tampering: Tampering = {}, serverOptions: ServerOptions = {}
) {
  // A busy machine is no reason for a guard to lose its trust.
  const environment = { LATCHKEY_REPLICA_LEASE: '10000', ...serverOptions.environment }
  const server = await startServer({ ...serverOptions, environment })
  const organization = await server.createOrganization()
  const client = await server.createClient({ organization: organization.id, introspects: [server.url] })
  const passed: Passed[] = []
  const proxy = await startProxy(server.url, tampering, passed)
  const guard = await openGuard({
    server: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    clientId: client.clientId,
    clientSecret: client.clientSecret,
    resource: server.url,
    onError: () => {},
    ...options
  })
  const guarded = httpGuard(guard, { scopes: ['invoices:read'] })
  const api = createServer(async (request, response) => {
    const principal = await guarded(request, response)
    if (principal !== null) response.end(JSON.stringify({ id: principal.id }))
  })
  await new Promise<void>(resolve => api.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}/invoices`
  t.teardown(async () => {
    api.close()
    api.closeAllConnections()
    await guard.stop()
    proxy.close()
    proxy.closeAllConnections()
    await server.close()
  })
  await until('the guard is trusted', () => guard.isTrusted)
  const get = async (headers: Record<string, string>, path = '') => {
    const answer = await fetch(url + path, { headers })
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  }
  const key = (input: Json = {}) => server.createKey({ organization: organization.id, ...input })
  return { server, organization, client, guard, get, key, passed, url }
}

/**
 * Shared set-up of the contracts of the APIs with keys as bearer credentials: an example behind a real server, on
 * either database.
 */
import tap, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { Latchkey } from '../../src/app.ts'
import { databases } from './databases.ts'
import {
  MovableClock, startServer, type Answer, type Json, type KeyAnswer, type Outgoing, type ServerOptions, type TestServer
} from './test-server.ts'

export interface ProtectedApi {
  /** The prefix of its routes, and the part of its resource identifier after the issuer. */
  path: string
  /** Sent with every request. */
  headers?: Record<string, string>
  options?: ServerOptions
  mount (app: FastifyInstance, latchkey: Latchkey): Promise<void>
}

export type Api = Awaited<ReturnType<typeof startApi>>

/** Sends to the protected API with a key, a token, or nothing. */
export type Call = (
  credential: string | null, method: string, path: string, body?: Json, more?: Partial<Outgoing>
) => Promise<Answer>

/** A server with the API, and the operations of a test on it. */
export async function startApi ({ path, headers = {}, options = {}, mount }: ProtectedApi, more: ServerOptions = {}) {
  const clock = more.clock ?? new MovableClock()
  clock.stop()
  const server = await startServer({ ...options, ...more, clock, mount })
  const resource = `${server.issuer}${path}`
  const call = callTo(server, path, headers)
  const createOrganization = async (input: Json = {}): Promise<string> => {
    const answer = await server.admin('POST', '/organizations', { name: 'Acme', ...input })
    if (answer.status !== 201) throw new Error(answer.text)
    return answer.json.id as string
  }
  const createKey = async (input: Json): Promise<KeyAnswer> =>
    await server.createKey({ scopes: undefined, ...input, resource })
  return { server, clock, resource, call, admin: server.admin, createOrganization, createKey }
}

export function callTo (server: TestServer, path: string, always: Record<string, string> = {}): Call {
  return (credential, method, route, body, more = {}) => {
    const authorization: Record<string, string> = credential === null ? {} : { authorization: `Bearer ${credential}` }
    return server.send({
      method,
      path: `${path}${route}`,
      ...more,
      headers: { ...always, ...authorization, ...more.headers as Record<string, string> },
      ...(body === undefined ? {} : { body })
    })
  }
}

/** Runs `contract` on a server of its own on each database; titles end with the name of the database. */
export async function onBothDatabases (
  api: ProtectedApi, contract: (test: (title: string, body: (t: Test) => Promise<void>) => unknown, served: Api) => void
): Promise<void> {
  // All servers before the first test: tap ends a file without a running test while a database starts.
  const ready = await Promise.all(databases.map(async ({ name, fresh }) => {
    const database = await fresh()
    return { name, database, served: await startApi(api, { database: database.url }) }
  }))
  for (const { name, database, served } of ready) {
    tap.teardown(async () => {
      await served.server.close()
      await database.drop()
    })
    contract((title, body) => tap.test(`${title} [${name}]`, body), served)
  }
}

/** The whole answer of a refusal: status, body, and that no cache may store it. */
export function refused (t: Test, answer: Answer, status: number, body: Json, what = `${status} with its body`): void {
  t.strictSame([answer.status, answer.json], [status, body], what)
  t.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
  t.equal(answer.headers['cache-control'], 'no-store')
}

/** The usage of a key this month, from the management API. */
export async function usageOf ({ admin }: Api, keyId: string): Promise<Json> {
  const answer = await admin('GET', `/api-keys/${keyId}/usage`)
  if (answer.status !== 200) throw new Error(answer.text)
  return answer.json
}

/** The reasons of refused credentials in the audit log, newest first. */
export async function refusalsOf ({ admin }: Api, subject?: string): Promise<string[]> {
  const answer = await admin(
    'GET', `/audit?type=credential.refused${subject === undefined ? '' : `&subject=${subject}`}`
  )
  return (answer.json.data as Json[]).map(({ detail }) => detail.reason)
}

/** The reasons of refusals in the server's log, oldest first. */
export function loggedReasons ({ lines }: TestServer): string[] {
  return lines.map(line => JSON.parse(line) as Json).filter(({ msg }) => msg === 'refused').map(({ reason }) => reason)
}

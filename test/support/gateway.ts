/** A gateway for AI models: a client of the deployment that reserves spending, and the caller whose money it is. */
import { basic, type Answer, type Json, type TestServer } from './test-server.ts'

export interface Gateway { clientId: string, clientSecret: string }

/** A gateway that verifies credentials of the server's host, with these scopes of the management API. */
export async function createGateway (
  server: TestServer, scopes: string[] = ['spend:write', 'provider-keys:lease'], more: Json = {}
): Promise<Gateway> {
  const { status, json, text } = await server.admin('POST', '/clients', {
    organization: null,
    name: 'gateway',
    grants: [{ resource: `${server.issuer}/api/v1`, scopes }],
    introspects: [server.issuer],
    ...more
  })
  if (status !== 201) throw new Error(text)
  return { clientId: json.clientId, clientSecret: json.clientSecret }
}

/** `POST` below /api/v1 as a gateway. */
export async function asGateway (
  server: TestServer, { clientId, clientSecret }: Gateway, path: string, body?: Json
): Promise<Answer> {
  return await server.send({
    method: 'POST',
    path: `/api/v1${path}`,
    headers: { authorization: basic(clientId, clientSecret) },
    ...(body === undefined ? {} : { body })
  })
}

let references = 0

/** Reserves for a credential, by a reference of its own. */
export async function reserveFor (
  server: TestServer, gateway: Gateway, credential: string, more: Json = {}
): Promise<Answer> {
  return await asGateway(server, gateway, '/spend/reservations', {
    credential, estimate: 1_000, model: 'gpt-5', reference: `call-${++references}`, ...more
  })
}

export interface Tenant { id: string, key: string, keyId: string }

/** An organization with a key for models. */
export async function createTenant (server: TestServer, name?: string): Promise<Tenant> {
  const { id } = await server.createOrganization(name)
  const { key, id: keyId } = await server.createKey({ organization: id })
  return { id, key, keyId }
}

/** A change by the admin token with If-Match. */
export async function changeIf (
  tag: string, server: TestServer, method: string, path: string, body: Json
): Promise<Answer> {
  return await server.send({
    method, path: `/api/v1${path}`, headers: { authorization: `Bearer ${server.adminToken}`, 'if-match': tag }, body
  })
}

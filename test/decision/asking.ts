/** Clients that ask for decisions, and their questions. */
import { basic, type Answer, type Json, type Outgoing, type TestServer } from '../support/test-server.ts'

export interface Asker { clientId: string, clientSecret: string }

/** A client of the deployment, which may ask about these resources. */
export async function deploymentClient (server: TestServer, introspects: string[]): Promise<Asker> {
  const { status, json, text } = await server.admin('POST', '/clients', {
    organization: null, name: 'API', grants: [], introspects
  })
  if (status !== 201) throw new Error(text)
  return { clientId: json.clientId, clientSecret: json.clientSecret }
}

/** The answer of `POST /api/v1/verify` to a client that authenticates by HTTP Basic. */
export async function verifyAs (
  server: TestServer, { clientId, clientSecret }: Asker, body: Json, more: Partial<Outgoing> = {}
): Promise<Answer> {
  return await server.send({
    method: 'POST',
    path: '/api/v1/verify',
    ...more,
    headers: { authorization: basic(clientId, clientSecret), ...more.headers as Record<string, string> },
    body
  })
}

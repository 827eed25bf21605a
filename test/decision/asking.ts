/** Clients that ask for decisions, and their questions. */
import { basic, type Answer, type Json, type Outgoing, type TestServer } from '../support/test-server.ts'

export interface Asker { clientId: string, clientSecret: string }

/** A client without organization, which may ask about these resources. The server registers clients openly. */
export async function deploymentClient (server: TestServer, introspects: string[]): Promise<Asker> {
  const registered = await server.send({
    method: 'POST',
    path: '/api/v1/oauth/register',
    body: { grant_types: ['client_credentials'], token_endpoint_auth_method: 'client_secret_basic', client_name: 'API' }
  })
  const { client_id: clientId, client_secret: clientSecret } = registered.json
  const changed = await server.admin('PATCH', `/clients/${clientId}`, { introspects })
  if (changed.status !== 200) throw new Error(`${registered.text} ${changed.text}`)
  return { clientId, clientSecret }
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

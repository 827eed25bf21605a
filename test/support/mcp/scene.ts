/** A Latchkey, an MCP server behind it, and a person of an organization who may read and write notes. */
import { startDocumentHost } from '../document-host.ts'
import { createMember } from '../people.ts'
import { freePort } from '../running-server.ts'
import { startServer, type ServerOptions, type TestServer } from '../test-server.ts'
import { clientMetadata } from './client.ts'
import { signInByLink, type HeadlessPerson } from './person.ts'
import { noteScopes, readScope, startMcpServer } from './server.ts'

export interface Scene {
  latchkey: TestServer
  /** Of the MCP server. */
  url: string
  organization: string
  /** The id of the person as a member. */
  member: string
  person: HeadlessPerson
  /** The redirect URI of clients. */
  callback: string
  /** The URL of a metadata document, on a host of its own. */
  document: string
  close (): Promise<void>
}

const document = 'https://desk.example/notes.json'

export async function openScene (options: ServerOptions = {}): Promise<Scene> {
  const ends: (() => unknown)[] = []
  const host = await startDocumentHost({ teardown: end => { ends.push(end) } })
  const latchkey = await startServer({ bare: true, registration: 'open', network: host.network, ...options })
  const port = await freePort()
  const identifier = `http://localhost:${port}/mcp`
  const { id: organization } = await latchkey.createOrganization('Acme')
  const resource = await latchkey.admin('POST', '/mcp-servers', {
    organization, identifier, name: 'Notes', scopes: noteScopes, defaultScopes: [readScope]
  })
  if (resource.status !== 201) throw new Error(`no resource: ${resource.text}`)
  const guard = await latchkey.createClient({ organization, grants: [], introspects: [identifier] })
  const server = await startMcpServer({ ...guard, issuer: latchkey.issuer, port })
  const { id: member } = await createMember(latchkey, { organization, name: 'Ada', role: 'owner' })
  const link = await latchkey.admin('POST', `/members/${member}/sign-in-links`)
  const callback = `http://127.0.0.1:${await freePort()}/callback`
  host.serves(document, { client_id: document, ...clientMetadata(callback) })
  const person = await signInByLink(latchkey.issuer, link.json.url)
  return {
    latchkey,
    url: server.url,
    organization,
    member,
    person,
    callback,
    document,
    async close () {
      await server.stop()
      await latchkey.close()
      for (const end of ends) await end()
    }
  }
}

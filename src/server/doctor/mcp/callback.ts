/** The place where an authorization response arrives: a listener on loopback for the length of one sign-in. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Callback {
  redirectUri: string
  /** The parameters of the first authorization response. */
  response: Promise<URLSearchParams>
  close (): void
}

/** RFC 8252 §7.3: an address, not a name, and whatever port is free. */
export async function openCallback (): Promise<Callback> {
  const arrived = Promise.withResolvers<URLSearchParams>()
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1')
    const isResponse = pathname === '/callback' && (searchParams.has('code') || searchParams.has('error'))
    response.writeHead(isResponse ? 200 : 404, { 'content-type': 'text/plain', connection: 'close' })
    response.end(isResponse ? 'Received. The command goes on; this page can be closed.\n' : 'Nothing is here.\n')
    if (isResponse) arrived.resolve(searchParams)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    redirectUri: `http://127.0.0.1:${port}/callback`,
    response: arrived.promise,
    close: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

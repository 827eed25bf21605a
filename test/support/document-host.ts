/**
 * A real TLS server on loopback that stands for hosts of strangers, and the network that leads to it: their names have
 * public addresses in a DNS of the test, and a connection to one of these ends at the server.
 */
import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createSecureContext, type TLSSocket } from 'node:tls'
import type { Network } from '../../src/fetch/network.ts'
import { makeAuthority } from './certificates.ts'

export type Answering = (request: IncomingMessage, response: ServerResponse) => void

export interface DocumentHost {
  network: Network
  /** Requests that arrived, as `host path`, and how TLS named the host. */
  requests: { url: string, servername: string | false | null }[]
  /** Names that were looked up. */
  lookups: string[]
  /** Addresses, with their port, that a connection was made to. */
  connections: string[]
  /** The addresses of a name, one list for each look-up; the last one stays. `nowhere`: DNS does not know it. */
  names (host: string, ...answers: readonly (readonly string[])[]): void
  /** Answers to a URL from now on: with a document, or in any other way. */
  serves (url: string, answer: object | string | Answering, headers?: Record<string, string>): void
  /** Lets a host have the certificate of another one. */
  certifies (host: string, other: string): void
  /** How often a URL was asked for. */
  asked (url: string): number
}

/** A public address for hosts that were given none. */
export const publicAddress = '93.184.216.34'

export async function startDocumentHost (t: { teardown (work: () => unknown): void }): Promise<DocumentHost> {
  const authority = makeAuthority()
  const names = new Map<string, (readonly string[])[]>()
  const answers = new Map<string, Answering>()
  const certified = new Map<string, string>()
  const host: Pick<DocumentHost, 'requests' | 'lookups' | 'connections'> = {
    requests: [], lookups: [], connections: []
  }
  const server = createServer({
    SNICallback (name, done) {
      const { certificate, key } = authority.certify(certified.get(name) ?? name)
      done(null, createSecureContext({ cert: certificate, key }))
    },
  }, (request, response) => {
    const url = `https://${request.headers.host}${request.url}`
    host.requests.push({ url, servername: (request.socket as TLSSocket).servername })
    const answer = answers.get(url)
    if (answer === undefined) response.writeHead(404).end()
    else answer(request, response)
  })
  await listening(server)
  const { port } = server.address() as AddressInfo
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    ...host,
    network: {
      ca: authority.certificate,
      async lookup (name) {
        host.lookups.push(name)
        const known = names.get(name) ?? [[publicAddress]]
        const answer = known.length > 1 ? known.shift()! : known[0]!
        if (answer.includes('nowhere')) throw noSuchName(name)
        return answer
      },
      dial (address, asked) {
        host.connections.push(`${address} ${asked}`)
        return { host: '127.0.0.1', port }
      },
    },
    names (name, ...given) { names.set(name, [...given]) },
    serves (url, answer, headers = {}) {
      answers.set(url, typeof answer === 'function'
        ? answer as Answering
        : (_request, response) => {
            response.writeHead(200, { 'content-type': 'application/json', ...headers })
            response.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
          })
    },
    certifies (name, other) { certified.set(name, other) },
    asked: url => host.requests.filter(request => request.url === url).length,
  }
}

/** As a resolver of Node.js fails. */
function noSuchName (name: string): Error {
  return Object.assign(new Error(`queryA ENOTFOUND ${name}`), {
    errno: undefined, code: 'ENOTFOUND', syscall: 'queryA', hostname: name
  })
}

async function listening (server: Server): Promise<void> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
}

/** How this server reaches other hosts: the look-up of names, the certificates that it trusts, and its sockets. */
import { lookup, Resolver } from 'node:dns/promises'

/** The way to other hosts. Tests and demos give one of their own; rules about addresses hold for each. */
export interface Network {
  /** Every address of a host name, as text. @throws Error when it has none, and when `signal` aborts. */
  lookup (host: string, signal: AbortSignal): Promise<readonly string[]>
  /** PEM: an authority that is trusted beside those of Node.js. */
  ca?: string
  /** Where a connection to a checked address ends really, for servers of a test; by default there. */
  dial? (address: string, port: number): { host: string, port: number }
}

/** Names as the operating system knows them, its hosts file included: for hosts that the operator configured. */
export const systemNetwork: Network = {
  lookup: async host => (await lookup(host, { all: true })).map(({ address }) => address),
}

/** Milliseconds that one DNS server is waited for. */
const patience = 1_000

/**
 * Names of DNS alone: for hosts that strangers name. The hosts file and the search domains of this machine do not
 * count, and no thread waits: the system's look-up holds one of four, and a slow server of a stranger would hold all.
 */
export const internet: Network = internetBy([])

/** The same, by these DNS servers (`address:port`); by those of the operating system, if there are none. */
export function internetBy (servers: readonly string[]): Network {
  return { lookup: async (host, signal) => await lookUp(host, servers, signal) }
}

async function lookUp (host: string, servers: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: patience, tries: 2 })
  if (servers.length > 0) resolver.setServers(servers)
  const cancel = () => { resolver.cancel() }
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    const addresses = answers.flatMap(answer => answer.status === 'fulfilled' ? answer.value : [])
    if (addresses.length === 0) throw (answers[0] as PromiseRejectedResult).reason
    return addresses
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

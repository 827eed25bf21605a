/** A proxy between a server and its PostgreSQL that delays, swallows or cuts the traffic. */
import { EventEmitter, once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** The group of connections: those that follow the change feed, or all others. */
export type Kind = 'listener' | 'pool'

export interface NetworkProxy {
  /** The URL of the database through this proxy. */
  url: string
  /** Milliseconds of delay of the data from the database. */
  delay: Record<Kind, number>
  /** Emits the kind of a connection when the database has sent data on it, delayed or not. */
  said: EventEmitter
  /**
   * Holds back data from the database to these connections from now on: `caught` resolves with the first of it,
   * `release` delivers it.
   */
  hold (kind: Kind): { caught: Promise<void>, release (): void }
  /** While true, drops all data in both directions without closing a connection. */
  swallow: boolean
  /** After a client has sent this text, drops all data from clients; answers still arrive. */
  deafAfter: string | null
  /**
   * Closes all connections, and refuses new ones until `mend`, which also ends `deafAfter`. Resolves after all have
   * closed.
   */
  cut (): Promise<void>
  mend (): Promise<void>
  /** Connects to another database server from now on. */
  lead (database: string): void
  close (): Promise<void>
}

export async function startNetworkProxy (database: string): Promise<NetworkProxy> {
  let target = new URL(database)
  const pairs = new Set<[Socket, Socket]>()
  const delay = { listener: 0, pool: 0 }
  const said = new EventEmitter()
  const proxy = { swallow: false, deafAfter: null as string | null }
  let deaf = false
  let held: { kind: Kind, keep (piece: () => void): void } | null = null
  const server = createServer(near => {
    const far = connect(Number(target.port), target.hostname)
    const pair: [Socket, Socket] = [near, far]
    let kind: Kind = 'pool'
    pairs.add(pair)
    near.once('data', (bytes: Buffer) => { if (bytes.includes('latchkey replica')) kind = 'listener' })
    carry(near, far, () => ({ delay: 0, keep: null }), bytes => {
      if (deaf) return false
      deaf = proxy.deafAfter !== null && bytes.includes(proxy.deafAfter)
      return true
    })
    carry(far, near, () => ({ delay: delay[kind], keep: held?.kind === kind ? held.keep : null }))
    far.on('data', () => { said.emit(kind) })
    for (const socket of pair) {
      socket.on('error', () => {})
      socket.on('close', () => {
        pairs.delete(pair)
        pair.forEach(each => each.destroy())
      })
    }
  })
  const carry = (
    from: Socket, to: Socket, how: () => { delay: number, keep: ((piece: () => void) => void) | null },
    hears: (bytes: Buffer) => boolean = () => true
  ) => {
    from.on('data', (bytes: Buffer) => {
      if (proxy.swallow || !hears(bytes)) return
      const { delay, keep } = how()
      const arrive = () => { to.write(bytes) }
      if (keep !== null) keep(arrive)
      else if (delay === 0) arrive()
      else setTimeout(arrive, delay)
    })
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const cut = async () => {
    const closed = [...pairs].flat().map(socket => socket.closed ? null : once(socket, 'close'))
    if (server.listening) server.close()
    for (const pair of pairs) pair.forEach(socket => socket.destroy())
    await Promise.all(closed)
  }
  return Object.assign(proxy, {
    url: Object.assign(new URL(database), { port: String(port) }).href,
    delay,
    said,
    hold (kind: Kind) {
      const { promise: caught, resolve } = Promise.withResolvers<void>()
      const kept: (() => void)[] = []
      held = {
        kind,
        keep (piece) {
          kept.push(piece)
          resolve()
        },
      }
      const release = () => {
        held = null
        kept.forEach(arrive => { arrive() })
      }
      return { caught, release }
    },
    cut,
    async mend () {
      deaf = false
      proxy.deafAfter = null
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
    lead (other: string) { target = new URL(other) },
    close: cut,
  })
}

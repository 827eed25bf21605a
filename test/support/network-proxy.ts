/** What lies between a server and its PostgreSQL: a proxy that is slow, swallows what it should carry, or is cut. */
import { EventEmitter, once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** Whose connections: those that follow the change feed, or all others. */
export type Kind = 'listener' | 'pool'

export interface NetworkProxy {
  /** The database as it is reached through here. */
  url: string
  /** Milliseconds that what the database says takes to arrive. */
  delay: Record<Kind, number>
  /** Emits whose connection it is when the database has said something, be it delayed. */
  said: EventEmitter
  /**
   * From now on what the database says to these is kept here: `caught` resolves with the first of it, `release` lets it
   * arrive.
   */
  hold (kind: Kind): { caught: Promise<void>, release (): void }
  /** While true nothing is carried either way, and nobody is told. */
  swallow: boolean
  /** Once somebody has said this, nobody is heard any more; answers still arrive. */
  deafAfter: string | null
  /**
   * Ends every connection, and takes no new one until it is mended, which ends deafness too. Resolves when their ends
   * have been seen.
   */
  cut (): Promise<void>
  mend (): Promise<void>
  /** From now on new connections are led to another database server. */
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

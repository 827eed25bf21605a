/** The connection on which a server follows the change feed. */
import type { Socket } from 'node:net'
import pg from 'pg'
import { channels, reportsChannel } from './channels.ts'
import type { Run } from './database-history.ts'

/** Listens for changes, for counts, and for the positions of the other servers. */
export async function listen (client: pg.Client, replicaId: string): Promise<void> {
  const names = [...await channels(client), reportsChannel(replicaId)]
  await client.query(names.map(channel => `LISTEN ${pg.escapeIdentifier(channel)}`).join('; '))
}

export function runBy (client: pg.Client): Run {
  return async <Row extends object>(text: string, values: readonly unknown[]) => {
    const { rows } = await client.query<Row>(text, [...values])
    return rows
  }
}

/** Closes the connection, also when the other side does not answer. */
export function closeClient (client: pg.Client): void {
  client.removeAllListeners()
  client.on('error', () => {})
  const timer = setTimeout(() => { socketOf(client).destroy() }, 500)
  client.end().catch(() => {}).finally(() => { clearTimeout(timer) })
}

export function socketOf (client: pg.Client): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream
}

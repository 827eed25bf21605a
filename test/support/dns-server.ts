/** A DNS server on loopback (RFC 1035), over UDP, that answers what a test says. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv4 } from 'node:net'

export interface DnsServer {
  /** For a resolver. */
  address: string
  /** Questions that arrived: `A name` or `AAAA name`. */
  questions: string[]
}

/** `answer`: the IPv4 addresses of a name; null: no answer at all. */
export async function startDnsServer (
  t: { teardown (work: () => unknown): void }, answer: (name: string) => readonly string[] | null
): Promise<DnsServer> {
  const socket = createSocket('udp4')
  const questions: string[] = []
  socket.on('message', (message, { port, address }) => {
    const { name, type, end } = readQuestion(message)
    questions.push(`${type === 1 ? 'A' : 'AAAA'} ${name}`)
    const addresses = type === 1 ? answer(name) : []
    if (addresses === null) return
    const header = Buffer.from([message[0]!, message[1]!, 0x81, 0x80, 0, 1, 0, addresses.length, 0, 0, 0, 0])
    const records = addresses.filter(isIPv4).map(each =>
      Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...each.split('.').map(Number)]))
    socket.send(Buffer.concat([header, message.subarray(12, end), ...records]), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => { socket.close() })
  return { address: `127.0.0.1:${socket.address().port}`, questions }
}

function readQuestion (message: Buffer): { name: string, type: number, end: number } {
  const labels: string[] = []
  let at = 12
  while (message[at]! > 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + message[at]!))
    at += 1 + message[at]!
  }
  return { name: labels.join('.').toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 }
}

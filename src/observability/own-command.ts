/**
 * Requests of commands on the server's own machine. They come over plain HTTP also where the issuer is https: TLS ends
 * at a proxy, and what they send does not leave the machine.
 */
import type { FastifyRequest } from 'fastify'
import { commandHeader } from '../config/server-file.ts'
import { commandProofOf } from '../secrets/authentication-code.ts'
import { sameDigest } from '../secrets/digest.ts'

/** What proxies add. */
const forwarding = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip']

/**
 * Whether a command has read the `key` of `server.json`, and has connected directly from this machine. A proxy on this
 * machine that says nothing of its callers is no reason to believe them: they have not read the file.
 */
export function isOwnCommand ({ raw: { headers, socket } }: FastifyRequest, key: string): boolean {
  const proof = headers[commandHeader]
  return typeof proof === 'string' && sameDigest(proof, commandProofOf(key)) &&
    socket.remoteAddress !== undefined && socket.remoteAddress === socket.localAddress &&
    !forwarding.some(name => headers[name] !== undefined)
}

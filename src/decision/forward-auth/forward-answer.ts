/** The answer that a proxy passes on: as it is, or in the two statuses that nginx knows. */
import type { FastifyReply } from 'fastify'
import type { ReadyAnswer } from '../../guard/refusal/ready-answer.ts'

/** Sends the answer to a request that does not pass. */
export function sendRefusal (reply: FastifyReply, answer: ReadyAnswer, proxyIsNginx: boolean): FastifyReply {
  const { status, headers, body } = answer
  if (!proxyIsNginx) return reply.code(status).headers(headers).send(body)
  // nginx makes 500 of every status but 2xx, 401 and 403, and drops the body: both travel in headers.
  return reply.code(status === 401 ? 401 : 403).headers({
    ...headers, 'x-latchkey-status': String(status), 'x-latchkey-error': inHeader(body)
  }).send(body)
}

/** JSON in one line of ASCII. */
function inHeader (json: string): string {
  return json.replace(
    /[^\x20-\x7e]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}

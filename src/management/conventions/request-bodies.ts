/** Bodies that no route of the management API takes: compressed ones, `null`, and ill-formed text. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Failure } from '../../base/errors.ts'
import { isCompressed } from '../../http/media-type.ts'

/** Refuses compressed bodies (RFC 9110 §15.5.16): bodies are small, and the server decompresses none. */
export function refuseCompressed (
  { headers }: FastifyRequest, reply: FastifyReply, _payload: unknown, done: (refusal?: Error) => void
): void {
  if (!isCompressed(headers)) return done()
  reply.header('accept-encoding', 'identity')
  done(new Failure('unsupported_media_type', { message: 'Send the body uncompressed, without Content-Encoding.' }))
}

/** Refuses the JSON text `null`: Fastify would pass it to the schema as it passes a missing body. */
export function refuseNull ({ body }: FastifyRequest, _reply: FastifyReply, done: (refusal?: Error) => void): void {
  done(
    body === null
      ? new Failure('invalid_request', { message: 'The body must be a JSON object.', details: { field: 'body' } })
      : undefined
  )
}

/**
 * Refuses bodies with half of a surrogate pair, in any member: JSON can spell one (RFC 8259 §8.2), but databases and
 * other languages cannot store it. Register it before the routes.
 */
export function refuseHalfCharacters (app: FastifyInstance): void {
  app.addHook('preValidation', async ({ body }) => {
    const path = pathOfHalf(body)
    if (path === null) return
    throw new Failure('invalid_request', {
      message: `${['body', ...path].join('.')} contains half of a surrogate pair, which is not a character.`,
      details: { field: path.join('.') || 'body' }
    })
  })
}

/** The path to the first ill-formed text; null: there is none. For an ill-formed name, the path to its object. */
function pathOfHalf (value: unknown): string[] | null {
  if (typeof value === 'string') return value.isWellFormed() ? null : []
  if (typeof value !== 'object' || value === null) return null
  for (const [name, member] of Object.entries(value)) {
    if (!name.isWellFormed()) return []
    const path = pathOfHalf(member)
    if (path !== null) return [name, ...path]
  }
  return null
}

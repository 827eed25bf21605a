/**
 * Half of a surrogate pair is no character: JSON can spell it, no database keeps it, and no other language has it (RFC
 * 8259 §8.2).
 */
import type { FastifyInstance } from 'fastify'
import { Failure } from '../../base/errors.ts'

/** Refuses bodies with half a character in them, whatever the member. Register it in front of the routes. */
export function refuseHalfCharacters (app: FastifyInstance): void {
  app.addHook('preValidation', async ({ body }) => {
    const path = placeOfHalf(body)
    if (path === null) return
    throw new Failure('invalid_request', {
      message: `${['body', ...path].join('.')} has half of a surrogate pair in it, which is no character.`,
      details: { field: path.join('.') || 'body' }
    })
  })
}

/** The names that lead to the first ill-formed text. A name that is ill-formed itself is told by what holds it. */
function placeOfHalf (value: unknown): string[] | null {
  if (typeof value === 'string') return value.isWellFormed() ? null : []
  if (typeof value !== 'object' || value === null) return null
  for (const [name, member] of Object.entries(value)) {
    if (!name.isWellFormed()) return []
    const path = placeOfHalf(member)
    if (path !== null) return [name, ...path]
  }
  return null
}

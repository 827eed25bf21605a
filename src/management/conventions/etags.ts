/** Entity tags (RFC 9110 §8.8.3) and If-Match: the answer about a record carries its version as the ETag. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Failure } from '../../base/errors.ts'
import type { Version } from '../../domain/core/operation.ts'

/** The member of an answer with the version of its record. It becomes the ETag and is not part of the JSON. */
export const revision = Symbol('revision')

/** An answer about a record that may have a version. */
export interface Tagged { [revision]?: Version }

/** Sends the version of an answer as its ETag. */
export function tagAnswers (app: FastifyInstance): void {
  app.addHook('preSerialization', async (_request, reply, payload) => {
    const shown = (payload as Tagged | null)?.[revision]
    if (shown !== undefined) reply.header('etag', `"${shown}"`)
    return payload
  })
}

/**
 * `*`, or a list of entity tags (RFC 9110 §8.8.3, §13.1.1), as a schema: the document shows the form that is parsed.
 */
export const ifMatch = {
  maxLength: 1_024,
  pattern: '^(\\*|(W/)?"[!#-~\\x80-\\xff]*"([ \\t]*,[ \\t]*(W/)?"[!#-~\\x80-\\xff]*")*)$',
} as const
const form = new RegExp(ifMatch.pattern)

/**
 * The versions that `If-Match` accepts (RFC 9110 §13.1.1); undefined: any, because the header is absent or `*`. A weak
 * tag, or one that this server never issued, matches none.
 * @throws Failure `invalid_request` if it is not a list of entity tags.
 */
export function expectedVersions ({ headers }: FastifyRequest): readonly Version[] | undefined {
  const value = headers['if-match']
  if (value === undefined || value === '*') return undefined
  if (value.length > ifMatch.maxLength || !form.test(value)) {
    throw new Failure('invalid_request', {
      message: 'If-Match must be * or entity tags from the ETag header, such as "3".', details: { field: 'if-match' }
    })
  }
  return Array.from(value.matchAll(/(W\/)?"([^"]*)"/g)).filter(([, weak]) => weak === undefined)
    .map(([,, tag]) => /^[1-9]\d{0,8}$/.test(tag!) ? Number(tag) : tag!)
}

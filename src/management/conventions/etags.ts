/**
 * Entity tags (RFC 9110 §8.8.3) and what is asked of them: an answer about one thing carries the revision of that
 * thing.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Failure } from '../../base/errors.ts'

/** Under this name an answer carries the revision of what it shows. It is no part of the JSON: it becomes the ETag. */
export const revision = Symbol('revision')

/** What shows something that has a revision. */
export interface Tagged { [revision]?: number }

/** Sends the revision of every answer that carries one as its ETag. */
export function tagAnswers (app: FastifyInstance): void {
  app.addHook('preSerialization', async (_request, reply, payload) => {
    const shown = (payload as Tagged | null)?.[revision]
    if (shown !== undefined) reply.header('etag', `"${shown}"`)
    return payload
  })
}

/**
 * `*`, or a list of entity tags (RFC 9110 §8.8.3, §13.1.1): as a schema, so that what is documented is what is read.
 */
export const ifMatch = {
  maxLength: 1_024,
  pattern: '^(\\*|(W/)?"[!#-~\\x80-\\xff]*"([ \\t]*,[ \\t]*(W/)?"[!#-~\\x80-\\xff]*")*)$',
} as const
const form = new RegExp(ifMatch.pattern)

/**
 * The revisions that `If-Match` lets pass (RFC 9110 §13.1.1); undefined: any that there is, because there is no such
 * header or it is `*`. A tag that was never ours, or a weak one, is no revision's and lets nothing pass.
 * @throws Failure `invalid_request` for what is no list of entity tags.
 */
export function expectedRevisions ({ headers }: FastifyRequest): readonly number[] | undefined {
  const value = headers['if-match']
  if (value === undefined || value === '*') return undefined
  if (value.length > ifMatch.maxLength || !form.test(value)) {
    throw new Failure('invalid_request', {
      message: 'If-Match must be * or entity tags as the ETag header gave them: "3".', details: { field: 'if-match' }
    })
  }
  return Array.from(
    value.matchAll(/(W\/)?"([^"]*)"/g),
    ([, weak, tag]) => weak === undefined && /^[1-9]\d{0,8}$/.test(tag!) ? Number(tag) : null
  )
    .filter(revision => revision !== null)
}

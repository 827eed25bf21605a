/** Entity tags (RFC 9110 §8.8.3) and what is asked of them: an answer about one thing carries the revision of that thing. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Failure } from '../errors.ts'

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

// RFC 9110 §8.8.3: entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE.
const entityTag = /^(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"$/

/**
 * The revisions that `If-Match` lets pass (RFC 9110 §13.1.1); undefined: any that there is, because there is no such header
 * or it is `*`. A tag that was never ours, or a weak one, is no revision's and lets nothing pass.
 * @throws Failure `invalid_request` for what is no list of entity tags.
 */
export function expectedRevisions ({ headers }: FastifyRequest): readonly number[] | undefined {
  const value = headers['if-match']?.trim()
  if (value === undefined || value === '*') return undefined
  const tags = value.length > 1_024 ? [null] : value.split(',').map(each => entityTag.exec(each.trim()))
  if (tags.includes(null)) throw new Failure('invalid_request', { message: 'If-Match must be * or entity tags as the ETag header gave them: "3".', details: { field: 'if-match' } })
  return tags.flatMap(tag => tag![1] === undefined && /^[1-9]\d{0,8}$/.test(tag![2]!) ? Number(tag![2]) : [])
}

/** Large bodies in memory: how many bytes of them a server holds at once, of all callers and of one organization. */
import { finished } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { Failure } from '../base/errors.ts'

const mebibyte = 1024 * 1024

/** Two of the largest archives of an organization, six of all. */
const mostBytes = { ofServer: 64 * mebibyte, ofOrganization: 20 * mebibyte }

/** What a body that is unpacked counts at least: small ones unpack to large ones. */
export const leastUnpacked = mebibyte

export interface LargeBodies {
  /**
   * Counts bytes for an organization until its request is answered, or the connection is gone, and its work is done.
   * @throws Failure `too_many_requests` for an organization that has as many, `overloaded` for the server.
   */
  hold (owner: string, reply: FastifyReply, bytes: number): void
  /** Runs the work of a request that holds bytes; they count until it ends, even if the caller is gone before. */
  during<T> (reply: FastifyReply, work: () => Promise<T>): Promise<T>
  /** Runs one at a time: what unpacks a body needs several times its size. */
  inTurn<T> (work: () => Promise<T>): Promise<T>
}

export function largeBodies (most = mostBytes): LargeBodies {
  const held = new Map<string, number>()
  const working = new WeakMap<FastifyReply, Promise<unknown>>()
  let total = 0
  let last: Promise<unknown> = Promise.resolve()
  const count = (owner: string, bytes: number): void => {
    const own = (held.get(owner) ?? 0) + bytes
    total += bytes
    if (own === 0) held.delete(owner)
    else held.set(owner, own)
  }
  return {
    hold (owner, reply, bytes) {
      if ((held.get(owner) ?? 0) + bytes > most.ofOrganization) {
        throw new Failure('too_many_requests', {
          message: 'Too many archives of this organization are transferred at once; retry shortly.'
        })
      }
      if (total + bytes > most.ofServer) throw new Failure('overloaded')
      count(owner, bytes)
      finished(reply.raw, () => {
        Promise.allSettled([working.get(reply)]).then(() => { count(owner, -bytes) }, () => {})
      })
    },
    async during (reply, work) {
      // Its bytes are not counted any more.
      if (reply.raw.destroyed) throw new Failure('invalid_request', { detail: 'the caller is gone' })
      const done = work()
      working.set(reply, done)
      return await done
    },
    async inTurn (work) {
      const done = last.then(work)
      last = done.catch(() => {})
      return await done
    },
  }
}

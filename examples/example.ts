/** An example, as the demo runs it. */
import type { FastifyInstance } from 'fastify'
import type { Latchkey, ServerOptions } from '../src/index.ts'
import type { Answer, Transcript } from './transcript.ts'

export interface Example {
  title: string
  /** Further variables of its server. */
  environment: Record<string, string>
  /** Where the routes of Latchkey are; absent: at their usual paths. */
  routes?: ServerOptions
  /** Declares its resource and mounts its routes. */
  mount (app: FastifyInstance, latchkey: Latchkey): Promise<void>
  /**
   * Runs its main job.
   * @throws Unexpected at the first expectation that fails.
   */
  tell (stage: Stage): Promise<Leftovers>
}

/** The means of a main job. */
export interface Stage {
  http: Transcript
  origin: string
  adminToken: string
}

/**
 * Commands for the reader to continue with. `latchkey`: the arguments of its command line, absent where that reaches no
 * API.
 */
export interface Leftovers { curl: readonly string[], latchkey?: string }

/** The operator of the demo: creates objects by the management API. */
export interface Operator {
  /** @throws Unexpected unless it was created. */
  create (collection: string, json: object): Promise<any>
  send (method: string, path: string, json?: object): Promise<Answer>
}

export function operatorOf ({ http, adminToken }: Stage): Operator {
  http.hide(adminToken)
  const send = async (method: string, path: string, json?: object) =>
    await http.send(method, `/api/v1/${path}`, { headers: bearer(adminToken), ...(json === undefined ? {} : { json }) })
  return {
    send,
    async create (collection, json) {
      const { status, body } = await send('POST', collection, json)
      http.expect('201: it is created', status === 201)
      return body
    },
  }
}

export function bearer (credential: string): Record<string, string> {
  return { authorization: `Bearer ${credential}` }
}

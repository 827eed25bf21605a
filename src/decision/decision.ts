/** Decisions for APIs in other processes, as one plugin: each route by which they ask. */
import type { FastifyPluginAsync } from 'fastify'
import type { Registry } from '../domain/access/registry.ts'
import type { AdmissionDependencies } from '../guard/admission.ts'
import type { RecordDependencies } from '../guard/verdict-record.ts'
import { presentError } from '../management/conventions/presenter.ts'
import type { AskingClientOptions } from './asking-client.ts'
import { forwardAuth, type ForwardAuthOptions } from './forward-auth/forward-auth.ts'

/** The parts that decide, that record, and that tell which client asks. */
export interface DecisionOptions extends AdmissionDependencies, RecordDependencies {
  issuer: string
  asking: AskingClientOptions
  registry: Registry
  proxies: Pick<ForwardAuthOptions, 'trustedProxies' | 'signingKeys'>
}

/** Below this path stand all routes of the plugin. */
export const decisionPath = '/api/v1'

export function decision (options: DecisionOptions): FastifyPluginAsync {
  return async app => {
    app.setErrorHandler(presentError)
    await app.register(forwardAuth({ ...options, ...options.proxies }))
  }
}

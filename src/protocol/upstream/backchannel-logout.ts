/** The endpoint by which providers sign people out (OpenID Connect Back-Channel Logout §2.5). */
import formbody from '@fastify/formbody'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { addressBlock, addressOf, countedAddress } from '../../base/ip-address.ts'
import type { SharedCounters } from '../../domain/metering/shared-counters.ts'
import { windowLimiter } from '../../domain/metering/window-limiter.ts'
import { endByProvider } from '../../domain/providers/provider-logout.ts'
import { noStore, OAuthError, slowDown } from '../shared/oauth-error.ts'
import type { ProtocolLimits } from '../shared/limits.ts'
import type { ProtocolOptions } from '../shared/options.ts'
import { paths } from '../shared/paths.ts'
import { descriptions } from './descriptions.ts'
import { readLogoutToken } from './logout-token.ts'
import type { ProviderClient } from './provider-client.ts'

export interface BackchannelLogoutOptions extends ProtocolOptions {
  limits: ProtocolLimits
  counts: SharedCounters
}

const bodyLimit = 16 * 1024

/** The endpoint as a plugin with its own parser for forms. */
export function backchannelLogout (options: BackchannelLogoutOptions) {
  const { store, clock, upstreams = new Map<string, ProviderClient>() } = options
  const failures = windowLimiter(options.limits.failuresPerAddress, clock, options.counts.of('logout failures'))
  return async (app: FastifyInstance): Promise<void> => {
    app.removeAllContentTypeParsers()
    await app.register(formbody, { bodyLimit })
    app.post(paths.providerLogout, { schema: descriptions.backchannelLogout }, async (request, reply) => {
      reply.headers(noStore)
      const block = addressBlock(countedAddress(request))
      const seconds = failures.exhausted(block)
      if (seconds !== null) throw slowDown(seconds)
      try {
        const now = clock()
        const logout = await readLogoutToken(upstreams.values(), tokenOf(request), now)
        const from = { address: addressOf(request), requestId: request.id }
        const ended = await endByProvider(store, logout, from, now)
        if (ended === null) throw new OAuthError(400, 'invalid_request', 'The logout token was used before.')
        request.log.info({ provider: logout.provider, sessions: ended }, 'a provider signed a person out')
        return await reply.code(200).send()
      } catch (error) {
        if (error instanceof OAuthError) failures.count(block)
        throw error
      }
    })
  }
}

function tokenOf ({ body }: FastifyRequest): string {
  const token = (body as Readonly<Record<string, unknown>> | null | undefined)?.logout_token
  if (typeof token === 'string' && token !== '') return token
  throw new OAuthError(400, 'invalid_request', 'logout_token is missing, or there are several.')
}

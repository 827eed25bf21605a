/** The routes of the authorization endpoint (RFC 6749 §3.1), of pushed requests (RFC 9126), and of the way back. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { addressBlock, countedAddress } from '../../base/ip-address.ts'
import type { WindowLimiter } from '../../domain/metering/window-limiter.ts'
import { descriptions } from '../shared/descriptions.ts'
import { noStore, OAuthError, slowDown } from '../shared/oauth-error.ts'
import { paths } from '../shared/paths.ts'

/** Hands a request over to the provider, which reads the body itself. */
type Pass = (request: FastifyRequest, reply: FastifyReply, url: string) => Promise<void>

export function authorizationRoutes (requests: WindowLimiter, pass: Pass) {
  /** Counts what begins, before anything is stored for it. */
  const limited = async (request: FastifyRequest): Promise<void> => {
    const block = addressBlock(countedAddress(request))
    const seconds = requests.exhausted(block)
    if (seconds !== null) throw slowDown(seconds)
    requests.count(block)
  }
  return async (app: FastifyInstance): Promise<void> => {
    app.get(
      paths.authorization,
      { schema: { ...descriptions.authorization, operationId: 'authorize' }, onRequest: limited },
      (request, reply) => pass(request, reply, paths.authorization + queryOf(request))
    )
    await app.register(forms => formRoute(forms, limited))
    // Where the page that asks a person leads to; only the browser that began the request comes here.
    app.get<{ Params: { uid: string } }>(
      `${paths.authorization}/:uid`, { schema: descriptions.resumption },
      (request, reply) => pass(request, reply, `${paths.authorization}/${encodeURIComponent(request.params.uid)}`)
    )
    app.post(
      paths.pushedRequest, { schema: descriptions.pushedRequest, onRequest: limited },
      (request, reply) => pass(request, reply, paths.pushedRequest)
    )
  }
}

/** Characters of a form: as a query it has to fit into a request line. */
const longestForm = 8_192

/**
 * OpenID Connect Core §3.1.2.1 has forms, too. The form goes on as a query: a form of another site comes without the
 * cookie of the person (SameSite), and the request that follows the redirect has it.
 */
async function formRoute (app: FastifyInstance, onRequest: (request: FastifyRequest) => Promise<void>): Promise<void> {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded', { parseAs: 'string', bodyLimit: longestForm },
    (_request, body, done) => { done(null, body) }
  )
  app.addContentTypeParser('*', (_request, _payload, done) => {
    done(new OAuthError(400, 'invalid_request', 'The body must be application/x-www-form-urlencoded.'))
  })
  app.post<{ Body: string | undefined }>(
    paths.authorization,
    { schema: { ...descriptions.authorization, operationId: 'authorizeByForm' }, onRequest },
    ({ body = '' }, reply) => {
      const query = new URLSearchParams(body).toString()
      return reply.headers(noStore).redirect(`${paths.authorization}?${query}`, 303)
    }
  )
}

function queryOf ({ raw: { url = '' } }: FastifyRequest): string {
  const start = url.indexOf('?')
  return start === -1 ? '' : url.slice(start)
}

/** The authorization server as a Fastify plugin: token, session, introspection, revocation, registration, discovery. */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import { requireAvailable } from '../base/availability.ts'
import { refusalLog } from '../domain/audit/refusal-log.ts'
import { wellKnownSchemes } from '../config/readers.ts'
import { unshared } from '../domain/metering/shared-counters.ts'
import { tokenMeter } from '../domain/tokens/issuance-meter.ts'
import { lastUsedRecorder } from '../domain/metering/last-used.ts'
import { isCompressed } from '../http/media-type.ts'
import { timesSent } from '../http/repeated-headers.ts'
import { unlisted } from '../http/route-schema.ts'
import { newTelemetry } from '../telemetry/telemetry.ts'
import { providerAdapter } from './provider/provider-adapter.ts'
import { anyOrigin, browserPaths, browserPreflights } from './endpoints/cross-origin.ts'
import { discovery } from './endpoints/discovery.ts'
import { descriptions } from './shared/descriptions.ts'
import { defaultLimits } from './shared/limits.ts'
import { answerError, noStore, OAuthError } from './shared/oauth-error.ts'
import type { ProtocolOptions } from './shared/options.ts'
import { paths } from './shared/paths.ts'
import { registration } from './registration/registration.ts'
import { session } from './endpoints/session.ts'
import { userinfo } from './endpoints/userinfo.ts'
import { backchannelLogout } from './upstream/backchannel-logout.ts'
import { issuerKeys } from './workloads/issuer-keys.ts'
import { tokenReviewer } from './workloads/token-reviewer.ts'

/** All endpoints that clients of the authorization server use. */
export function protocol (given: ProtocolOptions): FastifyPluginAsync {
  return async app => {
    const { store, clock } = given
    // Recorders that were given are stopped by their owner.
    const own = <T extends { stop (): Promise<unknown> }>(made: T): T => {
      app.addHook('onClose', async () => { await made.stop() })
      return made
    }
    const telemetry = given.telemetry ?? newTelemetry()
    const options = {
      ...given,
      refusals: given.refusals ?? own(refusalLog(store, clock)),
      usage: given.usage ?? own(lastUsedRecorder(usage => store.clients.touch(usage), clock)),
      keyUsage: given.keyUsage ?? own(lastUsedRecorder(usage => store.apiKeys.touch(usage), clock)),
      tokens: given.tokens ?? own(tokenMeter(usage => store.tokenUsage.add(usage), clock)),
      limits: { ...defaultLimits, ...given.limits },
      privateSchemes: given.privateSchemes ?? new Set(wellKnownSchemes),
      issuerKeys: given.issuerKeys ?? issuerKeys({ clock, metrics: telemetry.metrics }),
      reviewer: given.reviewer ?? tokenReviewer({ secrets: [], metrics: telemetry.metrics }),
      counts: given.counts ?? unshared,
      telemetry,
    }
    app.setErrorHandler(answerError)
    // Hooks with `done` and not promises: they run for every request.
    app.addHook('onRequest', (_request, _reply, done) => {
      requireAvailable(options.telemetry.availability)
      done()
    })
    // Schemas only describe: the endpoints validate, with the error codes of their RFCs.
    app.setValidatorCompiler(() => () => true)
    app.addHook('onRequest', refuseRepeatedHeaders)
    app.addHook('onRequest', refuseCompressed)
    const { mount, provider } = providerAdapter(options)
    await app.register(mount)
    await app.register(registration({ ...options, provider }))
    await app.register(session(options))
    await app.register(backchannelLogout(options))
    await app.register(discovery(options))
    await app.register(options.people === undefined ? unsupportedAuthorization : browserPreflights)
    if (options.people !== undefined) await app.register(userinfo(options))
    const preflights: readonly string[] = options.people === undefined ? [] : browserPaths
    for (const [url, methods] of allowed) {
      refuseOtherMethods(app, url, preflights.includes(url) ? [...methods, 'OPTIONS'] : methods)
    }
    if (options.people !== undefined) refuseOtherMethods(app, paths.userinfo, ['GET', 'HEAD', 'POST', 'OPTIONS'])
  }
}

/** RFC 9110 §15.5.16: bodies of these endpoints are small, and none is decompressed before authentication. */
function refuseCompressed ({ headers }: FastifyRequest, _reply: FastifyReply, done: (refusal?: Error) => void): void {
  done(
    isCompressed(headers)
      ? new OAuthError(415, 'invalid_request', 'Send the body uncompressed, without Content-Encoding.', {
        'accept-encoding': 'identity'
      })
      : undefined
  )
}

const single = ['authorization', 'content-type']

/** Node keeps the first of repeated headers: a second credential or type must not go unnoticed (RFC 6749 §2.3). */
function refuseRepeatedHeaders (
  { raw: { rawHeaders } }: FastifyRequest, _reply: FastifyReply, done: (refusal?: Error) => void
): void {
  const repeated = single.find(name => timesSent(rawHeaders, name) > 1)
  done(
    repeated === undefined
      ? undefined
      : new OAuthError(400, 'invalid_request', `The header ${repeated} must not be sent twice.`)
  )
}

/** Listed in the metadata because discovery clients require it; answers itself, never redirects (RFC 6749 §4.1.2.1). */
async function unsupportedAuthorization (app: FastifyInstance): Promise<void> {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  for (const [method, operationId] of [['GET', 'authorize'], ['POST', 'authorizeByForm']] as const) {
    app.route({
      method,
      url: paths.authorization,
      schema: { ...descriptions.authorization, operationId },
      handler: () => {
        throw new OAuthError(
          400, 'unsupported_response_type',
          'This server supports no response types: use the grant client_credentials at the token endpoint.'
        )
      }
    })
  }
}

const readOnly = ['GET', 'HEAD', 'OPTIONS'] as const
const allowed: readonly (readonly [string, readonly HTTPMethods[]])[] = [
  [paths.token, ['POST']],
  [paths.session, ['POST']],
  [paths.providerLogout, ['POST']],
  [paths.introspection, ['POST']],
  [paths.revocation, ['POST']],
  [paths.registration, ['POST']],
  [`${paths.registration}/:clientId`, ['GET', 'HEAD', 'PUT', 'DELETE']],
  [paths.authorization, ['GET', 'HEAD', 'POST']],
  [paths.pushedRequest, ['POST']],
  [paths.serverMetadata, readOnly],
  [paths.openidConfiguration, readOnly],
  [paths.jwks, readOnly],
  [paths.resourceMetadata, readOnly],
  [`${paths.resourceMetadata}/*`, readOnly],
  [`${paths.serverMetadata}/*`, readOnly],
  [`${paths.openidConfiguration}/*`, readOnly],
]
const methods: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'QUERY']

/** RFC 9110 §15.5.6, before the body is read. */
function refuseOtherMethods (app: FastifyInstance, url: string, taken: readonly HTTPMethods[]): void {
  app.route({
    method: methods.filter(method => !taken.includes(method)),
    url,
    exposeHeadRoute: false,
    config: { refusesMethod: true },
    schema: unlisted,
    onRequest: async (_request, reply) =>
      await reply.code(405).headers({
        ...noStore, ...(url.startsWith('/.well-known/') ? anyOrigin : {}), allow: taken.join(', ')
      })
        .send({ error: 'invalid_request', error_description: `This endpoint supports ${taken.join(', ')}.` }),
    handler: () => undefined
  })
}

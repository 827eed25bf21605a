/** The HTTP server: Fastify with the limits, the log and the security headers of Latchkey, and all of its routes. */
import ajvCompiler from '@fastify/ajv-compiler'
import Fastify, { LogController, type FastifyHttpOptions, type FastifyInstance, type RawServerDefault } from 'fastify'
import helmet from 'helmet'
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Latchkey, RoutesOptions } from '../app.ts'
import { Failure } from '../base/errors.ts'
import type { Config } from '../config/config.ts'
import { loggedRequest } from '../guard/index.ts'
import { isOverTls, trustsProxies } from '../http/forwarded.ts'
import { requestOfPage } from '../http/inner-call.ts'
import { limitJsonBody } from '../http/json-limits.ts'
import { presentError } from '../management/conventions/presenter.ts'
import { refuseUnknownPaths } from '../management/conventions/unknown-path.ts'
import { isOperational } from '../observability/request-gate.ts'

/** Where log lines go, one JSON object each. */
export interface LogDestination { write (line: string): void }

export interface ServerOptions extends RoutesOptions {
  /** Where the log goes; absent: to standard output. */
  log?: LogDestination
}

/**
 * A server with the routes of `latchkey`; more may be registered before it listens. Closing it closes `latchkey`.
 * `management: { prefix }` serves the management API, its document and the calls of the dashboard below another path,
 * so that an application has /api/v1 to itself; `management: false` serves none of them. Tokens for the management API
 * name the same resource in each case.
 */
export async function buildServer (
  latchkey: Latchkey, { log, ...routes }: ServerOptions = {}
): Promise<FastifyInstance> {
  const { config: { issuer, unknownVariables } } = latchkey
  let warned = false
  const app: FastifyInstance = Fastify(serverOptions(latchkey.config, log, () => {
    if (!warned) {
      app.log.warn(
        'LATCHKEY_TRUST_PROXY: a trusted proxy sent an X-Forwarded-For that holds no IP address: allowlists let such ' +
          'requests pass nowhere, and limits count them by the proxy'
      )
    }
    warned = true
  }))
  for (const sentence of unknownVariables) app.log.warn(sentence)
  app.setErrorHandler(presentError)
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done()
  })
  latchkey.watchRequests(app)
  refuseUnknownPaths(app, latchkey.answerUnknownPath)
  limitJsonBodies(app)
  if (issuer.startsWith('https:')) requireTls(app, latchkey.isOwnCommand)
  setSecurityHeaders(app, issuer)
  await app.register(latchkey.routes, routes)
  app.addHook('preClose', async () => { closeLingeringConnections(app) })
  app.addHook('onClose', async () => { await latchkey.close() })
  return app
}

function requireTls (app: FastifyInstance, isOwnCommand: Latchkey['isOwnCommand']): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const isSafe = isOperational(request) || isOverTls(requestOfPage() ?? request) || isOwnCommand(request)
    done(isSafe ? undefined : new Failure('tls_required'))
  })
}

function setSecurityHeaders (app: FastifyInstance, issuer: string): void {
  const setHeaders = helmet({
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    strictTransportSecurity: issuer.startsWith('https:') && { maxAge: 31_536_000, includeSubDomains: false },
    crossOriginResourcePolicy: { policy: 'cross-origin' }
  })
  app.addHook('onRequest', (request, reply, done) => {
    setHeaders(request.raw, reply.raw, error => {
      done(error as Error | undefined)
    })
  })
}

/**
 * Checks the limits of JSON bodies before Fastify's own parser. An empty text is no body: some clients send the type of
 * a body without a body.
 */
function limitJsonBodies (app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    try {
      if (body === '') return done(null, undefined)
      limitJsonBody(body)
    } catch (error) {
      done(error as Failure)
      return
    }
    parse(request, body, done)
  })
}

/** How long requests in flight may take once the server is closing. */
const drainTimeoutMs = 10_000

/** Node stops enforcing timeouts while a server closes: connections that are still open at the end are closed. */
function closeLingeringConnections ({ server }: FastifyInstance): void {
  const timer = setTimeout(() => { server.closeAllConnections() }, drainTimeoutMs)
  timer.unref()
  server.once('close', () => { clearTimeout(timer) })
}

/**
 * Options with which a Fastify instance keeps Latchkey's promises about limits, logs and addresses.
 * `onUnreadableAddress` is called for each forwarded address that is no address.
 */
export function serverOptions (
  { logLevel, trustProxy }: Pick<Config, 'logLevel' | 'trustProxy'>,
  log?: LogDestination,
  onUnreadableAddress: () => void = () => {}
): FastifyHttpOptions<RawServerDefault> {
  return {
    logger: logLevel === 'silent'
      ? false
      : { level: logLevel, serializers: { req: loggedRequest }, ...(log ? { stream: log } : {}) },
    // The request of the page is logged.
    logController: new LogController({ disableRequestLogging: () => requestOfPage() !== null }),
    // A caller could choose the id of another request.
    requestIdHeader: false,
    genReqId: () => requestOfPage()?.id ?? randomUUID(),
    trustProxy: trustProxy.length > 0 && trustsProxies(trustProxy, onUnreadableAddress),
    bodyLimit: 65_536,
    requestTimeout: 30_000,
    // By default Node checks timeouts only every 30 seconds.
    http: { maxHeaderSize: 16_384, headersTimeout: 15_000, connectionsCheckingInterval: 5_000 },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    // A path may name a resource by its URL-encoded identifier.
    routerOptions: { maxParamLength: 1_536 },
    // `verbose` adds the schema to each problem; error messages are made from it.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: false, verbose: true } },
    schemaController: { compilersFactory: { buildValidator: compileWhenNeeded } },
    frameworkErrors: (error, request, reply) => { presentError(error, request, reply) },
    clientErrorHandler: answerUnreadable,
  }
}

/** Fastify's validation, but each schema is compiled by its first request: compiling all takes a fifth of the start. */
const compileWhenNeeded: ReturnType<typeof ajvCompiler> = (schemas, options) => {
  const compile = ajvCompiler()(schemas, options)
  return route => {
    let validate: ValidateFunction | null = null
    const check = (data: unknown) => {
      validate ??= compile(route) as ValidateFunction
      const passes = validate(data)
      Object.assign(check, { errors: validate.errors })
      return passes
    }
    return check as ValidateFunction
  }
}

/** The part of a compiled validator that Fastify uses. */
type ValidateFunction = Extract<ReturnType<ReturnType<ReturnType<typeof ajvCompiler>>>, { schemaEnv: unknown }>

/** Answers bytes that are not HTTP, which reach no route, on the bare socket. */
function answerUnreadable (error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return
  const [status, message] = error.code === 'HPE_HEADER_OVERFLOW'
    ? ['431 Request Header Fields Too Large', 'The headers are larger than this server reads.']
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'The request took too long to arrive.']
      : ['400 Bad Request', 'The request is malformed.']
  const body = JSON.stringify({ error: message, code: 'INVALID_REQUEST' })
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${
      Buffer.byteLength(body)
    }\r\nconnection: close\r\n\r\n${body}`
  )
}

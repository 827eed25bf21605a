/**
 * OpenCrane, a control plane of tenants and their agents: a thin API over Latchkey's management API, which holds the
 * credentials. Each request acts with the credential of its caller, and is refused where Latchkey refuses it.
 */
import ajvCompiler from '@fastify/ajv-compiler'
import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type {
  FastifyError, FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest, FastifySchemaCompiler
} from 'fastify'
import { join } from 'node:path'
import { Type } from 'typebox'
import type { Latchkey } from '../../src/index.ts'
import { accessTokens } from './access-tokens.ts'
import { aiBudget } from './ai-budget.ts'
import { audit } from './audit.ts'
import { auth } from './auth.ts'
import { planeOf, type Collection, type Context } from './context.ts'
import { contract } from './contract.ts'
import { Refusal } from './control-plane.ts'
import { datasets, datasetsPath, declareOpenCrane, gatewayOf } from './datasets.ts'
import { Declarations } from './declarations.ts'
import { drift } from './drift.ts'
import { groups } from './groups.ts'
import { mcpServers } from './mcp-servers.ts'
import { metrics } from './metrics.ts'
import { policies } from './policies.ts'
import { providers } from './providers.ts'
import { skills } from './skills.ts'
import { sources } from './sources.ts'
import { tenants } from './tenants.ts'

/** The path below which the API is served. */
export const openCranePath = '/api/v1'

/** Declares the resource of the datasets, and mounts all routes. The management API has to be at `managementPrefix`. */
export async function mountOpenCrane (app: FastifyInstance, latchkey: Latchkey): Promise<void> {
  await declareOpenCrane(latchkey)
  const declared = new Declarations(join(latchkey.config.dataFolder, 'opencrane.json'))
  await app.register(openCrane(latchkey, declared), { prefix: openCranePath })
  await app.register(async api => {
    api.setErrorHandler(presentError)
    await api.register(datasets(latchkey, declared))
  }, { prefix: datasetsPath })
}

function openCrane (latchkey: Latchkey, declared: Declarations): FastifyPluginAsync {
  const { dataFolder, identityProviders } = latchkey.config
  const gateway = gatewayOf(latchkey)
  const collections: Collection[] = [
    tenants, contract, policies, drift, mcpServers, groups, skills, sources, accessTokens, providers, aiBudget, audit,
    metrics(dataFolder), auth(identityProviders.length > 0 ? 'oidc' : 'none')
  ]
  return async app => {
    app.setErrorHandler(presentError)
    await app.register(swagger, { openapi: document })
    await app.register(async (api: Context) => {
      api.setErrorHandler(presentError)
      api.addHook('onRequest', requireCredential)
      api.setValidatorCompiler(route => (route.httpPart === 'querystring' ? ofTexts : ofJson)(route))
      for (const collection of collections) collection(api, planeOf(api, { declared, gateway }))
    })
    app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  }
}

/** A query has texts alone, which stand for numbers and truth values. */
const ofTexts = validator(true)
const ofJson = validator(false)

function validator (coerceTypes: boolean): FastifySchemaCompiler<any> {
  return ajvCompiler()({}, { customOptions: { coerceTypes, removeAdditional: false } }) as FastifySchemaCompiler<any>
}

/** A request without a credential is refused before its body is judged; Latchkey judges the others. */
async function requireCredential ({ headers, routeOptions: { schema } }: FastifyRequest): Promise<void> {
  const isPublic = (schema as { security?: unknown[] } | undefined)?.security?.length === 0
  if (!isPublic && headers.authorization === undefined && headers.cookie === undefined) {
    throw new Refusal(401, 'UNAUTHORIZED', 'Send Authorization: Bearer with an access token, or sign in.')
  }
}

const Envelope = Type.Object({ error: Type.String(), code: Type.String() })

/** The document, with the routes of the sign-in, which Latchkey serves. */
const document: FastifyDynamicSwaggerOptions['openapi'] = {
  openapi: '3.1.0',
  info: { title: 'OpenCrane Control Plane API', version: '1.0.0' },
  components: {
    schemas: { Error: Envelope }, securitySchemes: { bearerAuth: { type: 'http', scheme: 'bearer' } }
  },
  security: [{ bearerAuth: [] }],
  paths: Object.fromEntries([
    ['login', 'get', 'startOidcLogin', 'Sign in'], ['callback', 'get', 'completeOidcLogin', 'Return from the provider'],
    ['logout', 'post', 'logout', 'Sign out']
  ].map(([name, method, operationId, summary]) => [`${openCranePath}/auth/${name!}`, {
    [method!]: {
      operationId, summary, tags: ['Auth'], security: [], responses: { 303: { description: 'A redirect.' } }
    }
  }]))
}

/** Latchkey's codes where OpenCrane has another for the same. */
const codes: Readonly<Record<string, string>> = { INVALID_REQUEST: 'VALIDATION_ERROR', SERVER_ERROR: 'INTERNAL_ERROR' }

/** Every 4xx and 5xx is `{ error, code }`. */
function presentError (error: FastifyError | Refusal, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, code, message, retryAfter } = refusalOf(error)
  if (status >= 500) request.log.error({ err: error }, 'OpenCrane failed')
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
  return reply.code(status).send({ error: message, code: codes[code] ?? code })
}

function refusalOf (error: FastifyError | Refusal): Refusal {
  if (error instanceof Refusal) {
    return error.status === 503
      ? new Refusal(502, 'UPSTREAM_ERROR', error.message, error.retryAfter)
      : error
  }
  const status = error.statusCode ?? 500
  return status < 500
    ? new Refusal(status, 'VALIDATION_ERROR', error.message)
    : new Refusal(500, 'INTERNAL_ERROR', 'The control plane failed to answer.')
}

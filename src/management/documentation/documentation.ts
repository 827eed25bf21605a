/** The documentation of the API: one document, served as OpenAPI, as a reference page and as llms.txt. */
import type { FastifyInstance, FastifyPluginAsync, RouteOptions } from 'fastify'
import plugin from 'fastify-plugin'
import { readFileSync } from 'node:fs'
import { Type } from '../../http/typebox-lite.ts'
import type { Scope } from '../../domain/resources/scope.ts'
import { llmsText } from './llms.ts'
import { once } from './once.ts'
import { openApiDocument, type DescribedRoute, type OpenApiDocument } from './openapi.ts'
import { referencePage, referenceParts } from './reference.ts'

export interface DocumentationOptions {
  issuer: string
  /** The path below which the API that it describes is served. */
  prefix: string
  tokenUrl: string
  scopes: readonly Scope[]
}

/** The paths of the documents, and of what they name. */
function documentPaths (prefix: string) {
  return {
    openapi: `${prefix}/openapi.json`, reference: '/reference', llms: '/llms.txt', principal: `${prefix}/principal`
  }
}

/**
 * Adds public routes for the document, the reference page and llms.txt. Register it before the routes that it
 * describes, those of its context and of child contexts. No answer depends on the request.
 */
export function documentation (options: DocumentationOptions): FastifyPluginAsync {
  return plugin(async (app: FastifyInstance) => {
    const routes: RouteOptions[] = []
    app.addHook('onRoute', route => { routes.push(route) })
    const document = once(() => openApiDocument({ ...options, version: version() }, routes.flatMap(described)))
    await app.register(async pages => documentRoutes(pages, options, document))
  }, { name: 'latchkey-documentation', fastify: '5.x' })
}

/** HEAD routes are omitted: HEAD is GET without a body. */
function described ({ method, url, schema = {}, config = {} }: RouteOptions): DescribedRoute[] {
  return [method].flat().filter(name => name !== 'HEAD').map(name => ({ method: name, url, schema, config }))
}

const shared = {
  'access-control-allow-origin': '*',
  'cross-origin-resource-policy': 'cross-origin',
  'cache-control': 'public, max-age=300'
}
const tags = ['documentation']
const Text = Type.String()

function documentRoutes (
  app: FastifyInstance, { issuer, prefix }: DocumentationOptions, document: () => OpenApiDocument
): void {
  const paths = documentPaths(prefix)
  const openapi = once(() => JSON.stringify(document()))
  const llms = once(() => llmsText(document(), paths))

  app.get(paths.openapi, {
    schema: {
      summary: 'Read this document',
      description: 'Generated from the schemas that validate requests and answers.',
      operationId: 'getOpenApiDocument',
      tags,
      response: {
        200: Type.Object({ openapi: Type.Literal('3.1.0') }, {
          additionalProperties: true, description: 'OpenAPI 3.1.'
        })
      }
    }
  }, async (_request, reply) => await reply.headers(shared).type('application/json; charset=utf-8').send(openapi()))

  app.get(paths.llms, {
    schema: {
      summary: 'Read the documentation for language models',
      description: 'In the format of llmstxt.org: one line per operation, and the error codes.',
      operationId: 'getLlmsText',
      tags,
      response: {
        200: { description: 'Markdown in the format of llmstxt.org.', content: { 'text/plain': { schema: Text } } }
      }
    }
  }, async (_request, reply) => await reply.headers(shared).type('text/plain; charset=utf-8').send(llms()))

  app.get(paths.reference, {
    schema: {
      summary: 'Open the interactive reference',
      description: 'Loads nothing from other hosts.',
      operationId: 'getReference',
      tags,
      response: { 200: { description: 'An HTML page.', content: { 'text/html': { schema: Text } } } },
    },
  }, async (_request, reply) => await reply.headers(referencePage.headers).send(referencePage.body))

  for (const { name, headers, body } of referenceParts(issuer + paths.openapi)) {
    app.get(
      `${paths.reference}/${name}`, { schema: { hide: true } },
      async (_request, reply) => await reply.headers(headers).send(body())
    )
  }
}

function version (): string {
  return (JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string })
    .version
}

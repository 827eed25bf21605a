/**
 * The contract: an OpenAPI 3.1 document of every route, made from the schemas that the routes validate with (OC-01).
 */
import type { FastifyContextConfig, FastifySchema } from 'fastify'
import type { Scope } from '../../domain/resources/scope.ts'
import type { PublicRefusal } from '../../guard/index.ts'
import { exampleOf, type Schema } from './examples.ts'
import { groupDescriptions } from './operation-groups.ts'
import { groupOf, operationName, requestName } from './operation-names.ts'
import { envelopes, refusalsOf, type Envelope } from './refusal-responses.ts'
import { securityOf, securitySchemes } from './security-schemes.ts'

type Json = Record<string, unknown>

/** A route as Fastify was told of it. */
export interface DescribedRoute { method: string, url: string, schema: FastifySchema, config: FastifyContextConfig }

/** What the document is about, besides routes. */
export interface Described {
  /** The one server that the document names, whatever host was asked. */
  issuer: string
  version: string
  tokenUrl: string
  /** What a credential of the management API may be granted. */
  scopes: readonly Scope[]
}

export interface Operation extends Json {
  operationId: string
  summary?: string
  tags: string[]
  parameters?: Json[]
  responses: Record<string, Json>
}

export interface OpenApiDocument extends Json {
  info: {
    title: string, version: string, summary: string, description: string, license: { name: string, identifier: string }
  }
  servers: { url: string }[]
  tags: { name: string, description?: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, unknown>, responses: Record<string, Json>, securitySchemes: Json }
}

/** The document of these routes. @throws when two schemas share a title or two operations a name. */
export function openApiDocument (described: Described, routes: readonly DescribedRoute[]): OpenApiDocument {
  const components: Components = { schemas: {}, responses: {} }
  const shown = routes.filter(({ schema }) => schema.hide !== true)
  const paths: OpenApiDocument['paths'] = {}
  for (const route of shown) {
    const hasReading = shown.some(({ method, url }) => method === 'GET' && url === route.url)
    const path = paths[pathOf(route.url)] ??= {}
    path[route.method.toLowerCase()] = operationOf(described, components, route, hasReading)
  }
  requireDistinctNames(paths)
  return {
    openapi: '3.1.0',
    info: {
      title: 'Latchkey',
      version: described.version,
      summary: 'An authorization server for machines.',
      description: introduction,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: described.issuer }],
    tags: [...new Set(Object.values(paths).flatMap(path => Object.values(path).flatMap(({ tags }) => tags)))].map(
      tagOf
    ),
    paths,
    components: { ...components, securitySchemes: securitySchemes(described) },
  }
}

const introduction = [
  'The management API and the OAuth endpoints of this server.',
  'Collections answer `{data, pagination: {limit, hasMore, nextCursor?}}`; hand `nextCursor` back as `cursor` for ' +
    'the next page.',
  'The management API refuses with `{error, code, details?}`, the OAuth endpoints with `{error, error_description}` ' +
    '(RFC 6749 §5.2).',
  'What belongs to somebody else is answered like what does not exist. A member or parameter that a route does not ' +
    'know is refused, not ignored.'
].join(' ')

function tagOf (name: string): { name: string, description?: string } {
  const description = groupDescriptions[name]
  return { name, ...(description === undefined ? {} : { description }) }
}

interface Components { schemas: Record<string, unknown>, responses: Record<string, Json> }

function operationOf (
  described: Described, components: Components, { method, url, schema, config }: DescribedRoute, hasReading: boolean
): Operation {
  const parameters = parametersOf(url, schema)
  const taken = {
    config, mayHaveBody: method !== 'GET', hasParams: url.includes(':'), overTls: described.issuer.startsWith('https:')
  }
  const { properties = {} } = (schema.querystring ?? {}) as Schema
  const operationId = schema.operationId ?? operationName({ method, url, paged: 'cursor' in properties, hasReading })
  const body = bodyOf(components, schema.body as Schema | undefined, requestName(operationId))
  return {
    operationId,
    ...(schema.summary === undefined ? {} : { summary: schema.summary }),
    ...descriptionOf(schema.description, config),
    tags: [...schema.tags ?? [groupOf(url)]],
    security: schema.security ?? securityOf(config),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body === null ? {} : { requestBody: body }),
    responses: {
      ...(speaksForItself(schema, config) ? {} : refusals(components, envelopeOf(config), refusalsOf(taken))),
      ...answersOf(components, schema.response as Record<string, Schema> | undefined)
    }
  }
}

/** An endpoint whose refusals another specification words names all of them itself. */
function speaksForItself ({ response = {} }: FastifySchema, { scopes }: FastifyContextConfig): boolean {
  return scopes === undefined && Object.keys(response as object).some(status => Number(status) >= 400)
}

function descriptionOf (
  description: string | undefined, { scopes, apiKeyOnly }: FastifyContextConfig
): { description?: string } {
  const sentences = [
    description,
    scopes !== undefined && scopes.length > 0
      ? `Needs ${scopes.map(scope => `\`${scope}\``).join(' and ')}.`
      : undefined,
    apiKeyOnly === true ? 'Answers API keys only.' : undefined
  ].filter(sentence => sentence !== undefined)
  return sentences.length > 0 ? { description: sentences.join(' ') } : {}
}

function pathOf (url: string): string {
  return url.replace(/:(\w+)/g, '{$1}').replace('*', '{path}')
}

function parametersOf (url: string, schema: FastifySchema): Json[] {
  const { properties: params = {} } = (schema.params ?? {}) as Schema
  const inPath = [...pathOf(url).matchAll(/\{(\w+)\}/g)].map(([, name = '']) =>
    parameter('path', name, params[name] ?? { type: 'string' }, true)
  )
  const others = ([['query', schema.querystring], ['header', schema.headers]] as const).flatMap(([place, schema]) => {
    const { properties = {}, required = [] } = (schema ?? {}) as Schema
    return Object.entries(properties).map(([name, member]) => parameter(place, name, member, required.includes(name)))
  })
  return [...inPath, ...others]
}

function parameter (place: string, name: string, schema: Schema, required: boolean): Json {
  const { description, ...rest } = jsonSchemaOf(schema)
  return { name, in: place, required, ...(description === undefined ? {} : { description }), schema: rest }
}

/** A body that may be null may be left out. It is a component: under its own title, else under `name`. */
function bodyOf (components: Components, schema: Schema | undefined, name: string): Json | null {
  if (schema === undefined) return null
  if (schema.content !== undefined) return { required: true, content: contentOf(components, schema, name) }
  const present = schema.anyOf?.find(({ type }) => type !== 'null')
  const mayBeLeftOut = schema.anyOf?.some(({ type }) => type === 'null') === true
  return {
    required: !mayBeLeftOut,
    content: contentOf(components, mayBeLeftOut && present !== undefined ? present : schema, name)
  }
}

function contentOf (components: Components, schema: Schema, name?: string): Json {
  if (schema.content === undefined) return { 'application/json': mediaOf(components, schema, name) }
  return Object.fromEntries(
    Object.entries(schema.content).map(([type, media]) => [type, mediaOf(components, media.schema, name)])
  )
}

function mediaOf (components: Components, schema: Schema, name?: string): Json {
  const named = { ...(name === undefined ? {} : { title: name }), ...jsonSchemaOf(schema) }
  return { schema: hoistTitled(components, named), example: exampleOf(named) }
}

function answersOf (components: Components, responses: Record<string, Schema> = {}): Record<string, Json> {
  return Object.fromEntries(Object.entries(responses).map(([status, schema]) => [status, {
    description: schema.description ?? meanings[status] ?? 'The answer.',
    ...(schema.type === 'null' ? {} : { content: contentOf(components, schema) }),
  }]))
}

const meanings: Readonly<Record<string, string>> = {
  200: 'Done.',
  201: 'Created.',
  204: 'Done; there is nothing to say.',
  400: 'The request is malformed.',
  401: 'No valid credential.',
  402: 'Not enough credits.',
  403: 'The credential does not cover this.',
  404: 'Not there, or not yours to see.',
  409: 'The state of the thing forbids it.',
  412: 'It was changed meanwhile.',
  413: 'The body is too large.',
  415: 'The body has another content type.',
  422: 'This Idempotency-Key was used for another request.',
  429: 'Too many requests.',
  500: 'The server failed.',
  503: 'The server cannot reach its database, or has no room in it.',
}

function envelopeOf ({ errorStyle }: FastifyContextConfig): Envelope {
  return errorStyle === 'ledgerbee' ? envelopes.ledgerbee : envelopes.opencrane
}

/** Operations that refuse alike share a response. */
function refusals (
  components: Components, envelope: Envelope, byStatus: Map<number, PublicRefusal[]>
): Record<string, Json> {
  return Object.fromEntries(
    [...byStatus].sort(([one], [other]) => one - other).map(([status, refused]) => {
      const name = [envelope.schema.title, status, ...refused.map(({ code }) => code).sort()].join('.')
      components.responses[name] ??= refusal(components, envelope, status, refused)
      return [status, { $ref: `#/components/responses/${name}` }]
    })
  )
}

function refusal (components: Components, envelope: Envelope, status: number, refused: PublicRefusal[]): Json {
  return {
    description: meanings[status] ?? 'Refused.',
    ...headersOf(status),
    content: {
      'application/json': {
        schema: { allOf: [hoistTitled(components, jsonSchemaOf(envelope.schema)), codesOf(refused)] },
        examples: Object.fromEntries(refused.map(reason => [reason.code, { value: envelope.wrap(reason) }])),
      },
    },
  }
}

function codesOf (refused: PublicRefusal[]): Schema {
  return { properties: { code: { type: 'string', enum: refused.map(({ code }) => code) } } }
}

function headersOf (status: number): Json {
  const named = status === 401
    ? ['WWW-Authenticate', 'How to authenticate (RFC 6750 §3, RFC 9728 §5.1).']
    : status === 429 || status === 503
      ? ['Retry-After', 'Seconds.']
      : null
  return named === null ? {} : { headers: { [named[0]!]: { description: named[1], schema: { type: 'string' } } } }
}

/** Drops what TypeBox keeps beside the schema, and adds the type to an enum of texts: generators need it. */
function jsonSchemaOf (schema: Schema): Schema {
  return JSON.parse(
    JSON.stringify(schema), (_, value) => isUntypedEnum(value) ? { type: 'string', ...value } : value
  ) as Schema
}

function isUntypedEnum (value: unknown): value is Schema {
  const { enum: values, type } = (value ?? {}) as Schema
  return Array.isArray(values) && type === undefined && values.every(value => typeof value === 'string')
}

/** Puts schemas that have a title among the components, wherever they stand. */
function hoistTitled (components: Components, schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(item => hoistTitled(components, item))
  if (typeof schema !== 'object' || schema === null) return schema
  const placed = Object.fromEntries(
    Object.entries(schema).map((
      [keyword, value]
    ) => [keyword, keyword === 'examples' ? value : hoistTitled(components, value)])
  )
  const { title } = schema as Schema
  if (typeof title !== 'string') return placed
  const known = components.schemas[title]
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(placed)) {
    throw new Error(`Two different schemas have the title ${title}.`)
  }
  components.schemas[title] = placed
  return { $ref: `#/components/schemas/${title}` }
}

function requireDistinctNames (paths: OpenApiDocument['paths']): void {
  const names = Object.values(paths).flatMap(path => Object.values(path).map(({ operationId }) => operationId))
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) {
    throw new Error(`Two operations are called ${twice}; give one of their routes an operationId.`)
  }
}

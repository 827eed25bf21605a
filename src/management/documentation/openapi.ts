/**
 * The OpenAPI 3.1 document of every route, generated from the schemas that validate its requests and answers (OC-01).
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

/** A route as it was registered with Fastify. */
export interface DescribedRoute { method: string, url: string, schema: FastifySchema, config: FastifyContextConfig }

/** Facts of the document besides the routes. */
export interface Described {
  /** The only server in the document, whatever the Host of the request. */
  issuer: string
  version: string
  tokenUrl: string
  /** The scopes of the management API. */
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

/** The document of these routes. @throws if two different schemas share a title, or two operations a name. */
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
  'Collections answer `{data, pagination: {limit, hasMore, nextCursor?}}`; send `nextCursor` as `cursor` for the ' +
    'next page.',
  'The management API refuses with `{error, code, details?}`, the OAuth endpoints with `{error, error_description}` ' +
    '(RFC 6749 §5.2).',
  'Records of another organization are answered as if they did not exist. Unknown members and parameters are ' +
    'refused, not ignored.'
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

/** Whether the route declares its refusals itself: those of endpoints that another specification defines. */
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
    apiKeyOnly === true ? 'Accepts API keys only.' : undefined
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

/** The request body: a component under its title, else under `name`. A nullable body is optional. */
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
  204: 'Done; the answer is empty.',
  400: 'The request is malformed.',
  401: 'No valid credential.',
  402: 'Not enough credits.',
  403: 'The credential does not cover this.',
  404: 'Not found, or not visible to this credential.',
  409: 'The state of the record does not allow it.',
  412: 'It changed since it was read.',
  413: 'The body is too large.',
  415: 'The content type of the body is not supported.',
  422: 'This Idempotency-Key was used for another request.',
  429: 'Too many requests.',
  500: 'The server failed.',
  503: 'The server cannot reach its database, or the database is full.',
}

function envelopeOf ({ errorStyle }: FastifyContextConfig): Envelope {
  return errorStyle === 'ledgerbee' ? envelopes.ledgerbee : envelopes.opencrane
}

/** Operations with the same refusals share a response. */
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

/** Drops TypeBox's own properties, and adds `type: string` to enums of strings: generators need it. */
function jsonSchemaOf (schema: Schema): Schema {
  return JSON.parse(
    JSON.stringify(schema), (_, value) => isUntypedEnum(value) ? { type: 'string', ...value } : value
  ) as Schema
}

function isUntypedEnum (value: unknown): value is Schema {
  const { enum: values, type } = (value ?? {}) as Schema
  return Array.isArray(values) && type === undefined && values.every(value => typeof value === 'string')
}

/** Moves schemas with a title to the components, at any depth, and refers to them. */
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

/** Forward-auth in the OpenAPI document. Its routes read the raw URL; no schema validates it. */
import type { FastifySchema } from 'fastify'
import { Type } from '../../http/typebox-lite.ts'

const Text = Type.String()

const resource = Type.String({ description: 'Id or percent-encoded identifier of the resource.' })

const neededInQuery = Type.Object({
  scope: Type.String({ description: 'Scopes that the request needs, all of them; `-`: any valid credential.' }),
  organization: Type.Optional(Type.String({ description: 'Id of the organization that the request names.' })),
  feature: Type.Optional(Type.String({ description: 'What the plan of the organization has to include.' })),
  object: Type.Optional(Type.String({ description: 'The object that the request names, as `type:id`.' })),
  credits: Type.Optional(Type.Integer({ minimum: 0, maximum: 999_999_999, description: 'What the request costs.' })),
  api_key_only: Type.Optional(Type.Literal('true', { description: 'Admits API keys only.' })),
  proxy: Type.Optional(Type.Literal('nginx', { description: 'Refuses with 401 and 403 only.' })),
  assertion: Type.Optional(Type.Literal('true', { description: 'Adds a signed assertion for the upstream.' }))
})

const needs = Type.String({ description: 'The needs, written as a query: `scope=invoices:read&credits=2`.' })

const refusal = (description: string) => Type.Object({}, { additionalProperties: true, description })

const shared: FastifySchema = {
  tags: ['forward-auth'],
  security: [],
  response: {
    200: Type.Null({
      description: 'The request may pass. The headers X-Latchkey-Kind, -Id, -Subject, -Organization, -Environment, ' +
        '-Scope and -Assertion say who sent it; RateLimit and RateLimit-Policy what is left.'
    }),
    400: refusal('The needs are not readable, the resource or a scope is unknown, or the request is ambiguous.'),
    401: refusal('No valid credential, in the style of the resource.'),
    402: refusal('Not enough credits, in the style of the resource.'),
    403: refusal('The credential does not cover the request, or the peer is no trusted proxy.'),
    404: refusal('The credential does not reach the organization.'),
    429: refusal('A limit is reached; Retry-After has the seconds.'),
    503: refusal('The server cannot decide now; Retry-After has the seconds.')
  }
}

const description = 'Takes every method, from the addresses in LATCHKEY_TRUST_PROXY alone. Reads the credential from ' +
  'the headers of the request, and from the query of X-Forwarded-Uri where the style of the resource takes it there. ' +
  'docs/forward-auth.md has configurations of proxies.'

/** `/{resource}?scope=…` */
export const needsInQuery: FastifySchema = {
  ...shared,
  summary: 'Ask for a proxy, with the needs in the query',
  description: `${description} An unknown parameter, and one that is there twice, is refused.`,
  operationId: 'forwardAuthByQuery',
  params: Type.Object({ resource }),
  querystring: neededInQuery
}

/** `/{resource}/{needs}` */
export const needsInPath: FastifySchema = {
  ...shared,
  summary: 'Ask for a proxy, with the needs in the path',
  description: `${description} For proxies that append the query of their caller, which is read for no need.`,
  operationId: 'forwardAuthByPath',
  params: Type.Object({ resource, needs })
}

/** `/{resource}/{needs}/…` */
export const behindNeeds: FastifySchema = {
  ...shared,
  summary: 'Ask for a proxy that appends the path of its caller',
  description: `${description} The path behind the needs is that of the caller's request.`,
  operationId: 'forwardAuthByAppendedPath',
  params: Type.Object({ resource, needs, '*': Text })
}

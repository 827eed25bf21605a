/** The discovery documents in the OpenAPI document. */
import type { FastifySchema } from 'fastify'
import { Type } from '../../http/typebox-lite.ts'
import { broken, malformed, refusal, texts, url } from '../shared/schemas.ts'

const tags = ['discovery']

const serverMetadata = Type.Object({
  issuer: url,
  authorization_endpoint: url,
  token_endpoint: url,
  userinfo_endpoint: Type.Optional(url),
  jwks_uri: url,
  registration_endpoint: Type.Optional(url),
  client_id_metadata_document_supported: Type.Optional(Type.Literal(true)),
  introspection_endpoint: url,
  revocation_endpoint: url,
  scopes_supported: Type.Optional(texts),
  pushed_authorization_request_endpoint: Type.Optional(url),
  authorization_response_iss_parameter_supported: Type.Optional(Type.Literal(true)),
  response_modes_supported: Type.Optional(texts),
  response_types_supported: texts,
  grant_types_supported: texts,
  token_endpoint_auth_methods_supported: texts,
  token_endpoint_auth_signing_alg_values_supported: texts,
  introspection_endpoint_auth_methods_supported: texts,
  introspection_endpoint_auth_signing_alg_values_supported: texts,
  revocation_endpoint_auth_methods_supported: texts,
  revocation_endpoint_auth_signing_alg_values_supported: texts,
  code_challenge_methods_supported: texts,
  subject_types_supported: texts,
  id_token_signing_alg_values_supported: texts,
  claims_supported: Type.Optional(texts),
  claim_types_supported: Type.Optional(texts),
  claims_parameter_supported: Type.Optional(Type.Literal(false)),
  request_parameter_supported: Type.Optional(Type.Literal(false)),
  request_uri_parameter_supported: Type.Optional(Type.Literal(false)),
  prompt_values_supported: Type.Optional(texts),
}, { title: 'AuthorizationServerMetadata' })
const resourceMetadata = Type.Object({
  resource: Type.String(),
  authorization_servers: texts,
  scopes_supported: Type.Optional(texts),
  bearer_methods_supported: texts,
  resource_name: Type.String(),
}, { title: 'ProtectedResourceMetadata' })
const noResource = refusal('not_found')

export const descriptions = {
  serverMetadata: {
    summary: 'Authorization server metadata',
    description: 'RFC 8414.',
    operationId: 'getServerMetadata',
    tags,
    security: [],
    response: { 200: serverMetadata, 400: malformed, ...broken }
  },
  openidConfiguration: {
    summary: 'Authorization server metadata for OpenID Connect Discovery',
    description: 'The document of RFC 8414, for clients that read only this path.',
    operationId: 'getOpenidConfiguration',
    tags,
    security: [],
    response: { 200: serverMetadata, 400: malformed, ...broken }
  },
  jwks: {
    summary: 'The public keys that verify tokens',
    description: 'RFC 7517.',
    operationId: 'getJwks',
    tags,
    security: [],
    response: {
      200: {
        description: 'A JWK Set.',
        content: {
          'application/jwk-set+json': {
            schema: Type.Object({ keys: Type.Array(Type.Record(Type.String(), Type.Unknown())) })
          }
        }
      },
      400: malformed,
      ...broken,
    },
  },
  hostMetadata: {
    summary: 'Protected resource metadata of this host',
    description: 'RFC 9728.',
    operationId: 'getHostMetadata',
    tags,
    security: [],
    response: { 200: resourceMetadata, 400: malformed, 404: noResource, ...broken }
  },
  resourceMetadata: {
    summary: 'Protected resource metadata of the resource at this path',
    description: 'RFC 9728 §3.1. The path may have slashes.',
    operationId: 'getResourceMetadata',
    tags,
    security: [],
    response: { 200: resourceMetadata, 400: malformed, 404: noResource, ...broken },
  },
} as const satisfies Record<string, FastifySchema>

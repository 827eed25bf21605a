/**
 * The OAuth endpoints in the OpenAPI document. Their handlers read and validate bodies as the RFCs say, never by these
 * schemas.
 */
import type { FastifySchema } from 'fastify'
import type { TProperties } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import { sessionLifetime } from '../../domain/tokens/session-token.ts'
import { broken, malformed, refusal, slow, texts } from './schemas.ts'

const tags = ['oauth']
const form = 'application/x-www-form-urlencoded'

const authentication = {
  client_id: Type.Optional(Type.String({ examples: ['cli_SMFY997Oo6f1bZteLcSAnl'] })),
  client_secret: Type.Optional(Type.String({ examples: ['x9Z0x_rNEMsxH-RqnLycZGh-93iQJjdznhwq2_mcCYs'] })),
  client_assertion_type: Type.Optional(Type.Literal('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')),
  client_assertion: Type.Optional(Type.String({ description: 'A JWT that the client signed (RFC 7523 §2.2).' })),
}
/** In the header, or in the body. */
export const clientProof: FastifySchema['security'] & object = [{ clientBasic: [] }, {}]

function formOf (title: string, members: TProperties) {
  return { content: { [form]: { schema: Type.Object(members, { title }) } } }
}

function tokenAnswer (title: string, lifetime: number) {
  return Type.Object({
    access_token: Type.String({ examples: ['eyJhbGciOiJFUzI1NiIs…'] }),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ description: 'Seconds.', examples: [lifetime] }),
    scope: Type.Optional(
      Type.String({ description: 'The granted scopes; absent: none.', examples: ['invoices:read'] })
    )
  }, { title })
}

const token = Type.String({
  description: 'An access token or, for introspection, an API key.', examples: ['eyJhbGciOiJFUzI1NiIs…']
})
const hint = Type.Optional(Type.String({ description: 'Not needed.' }))

export const descriptions = {
  token: {
    summary: 'Get an access token',
    description:
      'The client credentials grant (RFC 6749 §4.4). The client gets the scopes that were configured for it on the ' +
        'resource, whatever `scope` requests.',
    operationId: 'requestToken',
    tags,
    security: clientProof,
    body: formOf('TokenRequest', {
      grant_type: Type.Literal('client_credentials'),
      resource: Type.Optional(Type.String({
        description: 'The API that the token is for (RFC 8707). Default: the client\'s first grant.',
        examples: ['https://api.acme.test']
      })),
      scope: Type.Optional(Type.String({ description: 'Ignored.' })),
      ...authentication,
    }),
    response: {
      200: tokenAnswer('AccessToken', 3_600),
      400: refusal(
        'invalid_request', 'invalid_grant', 'invalid_scope', 'invalid_target', 'unauthorized_client',
        'unsupported_grant_type'
      ),
      401: refusal('invalid_client'),
      429: slow,
      ...broken,
    },
  },
  session: {
    summary: 'Get a session for an end user',
    description: 'Exchanges an assertion signed by the signing key of a publishable key (RFC 7523 §2.1).',
    operationId: 'requestSession',
    tags,
    security: [],
    body: formOf('SessionRequest', {
      grant_type: Type.Literal('urn:ietf:params:oauth:grant-type:jwt-bearer'),
      assertion: Type.String({ examples: ['eyJhbGciOiJFUzI1NiIs…'] }),
    }),
    response: {
      200: tokenAnswer('SessionToken', sessionLifetime),
      400: refusal('invalid_request', 'invalid_grant', 'unsupported_grant_type'),
      413: malformed,
      429: slow,
      ...broken
    }
  },
  introspection: {
    summary: 'Introspect a credential',
    description:
      'RFC 7662. A token is described to its own client and to clients that introspect for its resource, an API key ' +
      'to the latter only; all others get `{"active":false}`. A client that introspects for no resource may ask ' +
      'about its own tokens alone, and otherwise gets 403 `access_denied`.',
    operationId: 'introspect',
    tags,
    security: clientProof,
    body: formOf('IntrospectionRequest', {
      token,
      client_address: Type.Optional(
        Type.String({
          description:
            'The IP address at which the credential was presented. Without it the caller has to check the allowlist ' +
              '(`allowed_addresses`), and an access policy that depends on the address is taken to refuse.',
          examples: ['203.0.113.7']
        })
      ),
      token_type_hint: hint,
      ...authentication
    }),
    response: {
      200: Type.Object({
        active: Type.Boolean(),
        scope: Type.Optional(Type.String()),
        client_id: Type.Optional(Type.String()),
        token_type: Type.Optional(Type.Enum(['Bearer', 'api_key'])),
        exp: Type.Optional(Type.Integer()),
        iat: Type.Optional(Type.Integer()),
        sub: Type.Optional(Type.String()),
        aud: Type.Optional(Type.String()),
        iss: Type.Optional(Type.String()),
        jti: Type.Optional(Type.String()),
        org_id: Type.Optional(Type.String()),
        environment: Type.Optional(Type.Enum(['live', 'test'])),
        allowed_addresses: Type.Optional(texts),
      }, { title: 'Introspection' }),
      400: refusal('invalid_request', 'unauthorized_client'),
      401: refusal('invalid_client'),
      403: refusal('access_denied'),
      429: slow,
      ...broken,
    },
  },
  revocation: {
    summary: 'Revoke an access token',
    description: 'RFC 7009. A token that is foreign, unknown or no longer valid is answered like success.',
    operationId: 'revokeToken',
    tags,
    security: clientProof,
    body: formOf('RevocationRequest', { token, token_type_hint: hint, ...authentication }),
    response: {
      200: Type.Null({ description: 'The token is no longer valid.' }),
      400: refusal('invalid_request', 'unauthorized_client', 'unsupported_token_type'),
      401: refusal('invalid_client'),
      429: slow,
      ...broken
    }
  },
  authorization: {
    summary: 'Refuse: no response types are supported',
    description: 'Listed in the metadata because discovery clients require it.',
    tags,
    security: [],
    response: { 400: refusal('unsupported_response_type', 'invalid_request'), 500: broken[500] },
  },
} as const satisfies Record<string, FastifySchema>

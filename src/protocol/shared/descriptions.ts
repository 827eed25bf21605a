/**
 * The OAuth endpoints as the OpenAPI document shows them. Their bodies are read and judged by the code behind them, as
 * the RFCs say, never by these schemas.
 */
import type { FastifySchema } from 'fastify'
import type { TProperties, TSchema } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import { clientAuthMethods } from '../../domain/credentials/client.ts'
import { sessionLifetime } from '../../domain/access/end-user-session.ts'

const tags = ['oauth']
const discovery = ['discovery']
const texts = Type.Array(Type.String())
const nonEmptyTexts = Type.Array(Type.String({ minLength: 1 }))
const url = Type.String({ format: 'uri', examples: ['https://auth.acme.test'] })
const link = Type.Optional(Type.String())
const form = 'application/x-www-form-urlencoded'

/** `{error, error_description}` with these codes (RFC 6749 §5.2). */
function refusal (...codes: string[]): TSchema {
  return Type.Object({ error: Type.Enum(codes), error_description: Type.String({ description: 'For people.' }) })
}

const broken = { 500: refusal('server_error'), 503: refusal('temporarily_unavailable') }
const malformed = refusal('invalid_request')
const slow = refusal('slow_down')

const authentication = {
  client_id: Type.Optional(Type.String({ examples: ['cli_SMFY997Oo6f1bZteLcSAnl'] })),
  client_secret: Type.Optional(Type.String({ examples: ['x9Z0x_rNEMsxH-RqnLycZGh-93iQJjdznhwq2_mcCYs'] })),
  client_assertion_type: Type.Optional(Type.Literal('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')),
  client_assertion: Type.Optional(Type.String({ description: 'A JWT that the client signed (RFC 7523 §2.2).' })),
}
/** In the header, or in the body. */
const clientProof: FastifySchema['security'] & object = [{ clientBasic: [] }, {}]

function formOf (title: string, members: TProperties) {
  return { content: { [form]: { schema: Type.Object(members, { title }) } } }
}

function tokenAnswer (title: string, lifetime: number) {
  return Type.Object({
    access_token: Type.String({ examples: ['eyJhbGciOiJFUzI1NiIs…'] }),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ description: 'Seconds.', examples: [lifetime] }),
    scope: Type.Optional(
      Type.String({ description: 'What was granted; absent: nothing.', examples: ['invoices:read'] })
    )
  }, { title })
}

const token = Type.String({
  description: 'An access token or, for introspection, an API key.', examples: ['eyJhbGciOiJFUzI1NiIs…']
})
const hint = Type.Optional(Type.String({ description: 'Not needed.' }))

const metadata = {
  client_name: Type.Optional(Type.String({ maxLength: 200, examples: ['agent'] })),
  token_endpoint_auth_method: Type.Optional(Type.Enum([...clientAuthMethods])),
  token_endpoint_auth_signing_alg: Type.Optional(Type.String()),
  jwks: Type.Optional(Type.Object({ keys: Type.Array(Type.Record(Type.String(), Type.Unknown())) })),
  redirect_uris: Type.Optional(nonEmptyTexts),
  grant_types: Type.Optional(texts),
  response_types: Type.Optional(texts),
  application_type: Type.Optional(Type.String()),
  contacts: Type.Optional(nonEmptyTexts),
  client_uri: link,
  logo_uri: link,
  policy_uri: link,
  tos_uri: link,
  software_id: Type.Optional(Type.String()),
  software_version: Type.Optional(Type.String()),
  scope: Type.Optional(
    Type.String({ description: 'A hint at most: what is granted follows from the registration token.' })
  )
}
/** As clients send it: a member that is null was not sent (RFC 7592 §2.2). */
const sentMetadata = Object.fromEntries(
  Object.entries(metadata).map(([name, schema]) => [name, Type.Optional(Type.Union([schema, Type.Null()]))])
)
const information = Type.Object({
  client_id: Type.String({ examples: ['cli_SMFY997Oo6f1bZteLcSAnl'] }),
  client_id_issued_at: Type.Integer({ description: 'Seconds since 1970.', examples: [1795376909] }),
  registration_access_token: Type.String({
    description: 'For the configuration endpoint of this client.', examples: ['lkrat_…']
  }),
  registration_client_uri: url,
  ...metadata,
}, { title: 'ClientInformation' })
const registered = Type.Object({
  ...information.properties,
  client_secret: Type.Optional(Type.String({ description: 'Shown this once.' })),
  client_secret_expires_at: Type.Optional(Type.Literal(0)),
}, { title: 'RegisteredClient' })
const configured = { 401: refusal('invalid_token'), 429: slow, ...broken }
const metadataRefused = refusal('invalid_request', 'invalid_client_metadata', 'invalid_redirect_uri')

const serverMetadata = Type.Object({
  issuer: url,
  authorization_endpoint: url,
  token_endpoint: url,
  jwks_uri: url,
  registration_endpoint: Type.Optional(url),
  introspection_endpoint: url,
  revocation_endpoint: url,
  scopes_supported: Type.Optional(texts),
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
  token: {
    summary: 'Get an access token',
    description:
      'The client credentials grant (RFC 6749 §4.4). What is granted is what was configured for the client on the ' +
        'resource, whatever `scope` asks for.',
    operationId: 'requestToken',
    tags,
    security: clientProof,
    body: formOf('TokenRequest', {
      grant_type: Type.Literal('client_credentials'),
      resource: Type.Optional(Type.String({
        description: 'The API that the token is for (RFC 8707); the first of the ' +
        'client\'s grants unless given.',
        examples: ['https://api.acme.test']
      })),
      scope: Type.Optional(Type.String({ description: 'Makes no difference.' })),
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
    description: 'By an assertion that the signing key of a publishable key signed (RFC 7523 §2.1).',
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
    summary: 'Ask what a credential amounts to',
    description:
      'RFC 7662. A token is told about to its own client and to clients that may introspect for its resource, an API ' +
      'key to the latter only; ' +
      'all others hear `{"active":false}`. A client that introspects for no resource may ask about its own tokens ' +
      'alone, and else gets 403 `access_denied`.',
    operationId: 'introspect',
    tags,
    security: clientProof,
    body: formOf('IntrospectionRequest', {
      token,
      client_address: Type.Optional(
        Type.String({
          description:
            'Where the credential was presented, an IP address. Without it the allowlist is left to the caller ' +
              '(`allowed_addresses`), and where an access policy goes by the address, that which refuses more is ' +
              'taken to be so.',
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
    summary: 'End an access token',
    description: 'RFC 7009. A token that is not the client\'s own, unknown or dead already is answered like success.',
    operationId: 'revokeToken',
    tags,
    security: clientProof,
    body: formOf('RevocationRequest', { token, token_type_hint: hint, ...authentication }),
    response: {
      200: Type.Null({ description: 'It is dead.' }),
      400: refusal('invalid_request', 'unauthorized_client', 'unsupported_token_type'),
      401: refusal('invalid_client'),
      429: slow,
      ...broken
    }
  },
  register: {
    summary: 'Register a client',
    description: 'RFC 7591. Scopes and organization come from the registration token, never from the body.',
    operationId: 'registerClient',
    tags,
    security: [{ registrationToken: [] }, {}],
    body: { content: { 'application/json': { schema: Type.Object(sentMetadata, { title: 'ClientMetadata' }) } } },
    response: {
      201: registered,
      400: metadataRefused,
      401: refusal('invalid_token'),
      403: refusal('access_denied'),
      413: malformed,
      429: slow,
      ...broken
    }
  },
  readRegistration: {
    summary: 'Read the own registration',
    description: 'RFC 7592 §2.1.',
    operationId: 'readRegistration',
    tags,
    security: [{ registrationAccessToken: [] }],
    response: { 200: information, 400: malformed, ...configured },
  },
  replaceRegistration: {
    summary: 'Replace the own registration',
    description: 'RFC 7592 §2.2: what is left out is gone.',
    operationId: 'replaceRegistration',
    tags,
    security: [{ registrationAccessToken: [] }],
    body: {
      content: {
        'application/json': {
          schema: Type.Object({
            client_id: Type.String({ examples: ['cli_SMFY997Oo6f1bZteLcSAnl'] }),
            client_secret: Type.Optional(Type.Union([Type.String(), Type.Null()])),
            ...sentMetadata
          })
        }
      }
    },
    response: { 200: information, 400: metadataRefused, 413: malformed, ...configured }
  },
  deleteRegistration: {
    summary: 'End the own registration',
    description: 'RFC 7592 §2.3.',
    operationId: 'deleteRegistration',
    tags,
    security: [{ registrationAccessToken: [] }],
    response: { 204: Type.Null(), 400: malformed, 413: malformed, ...configured },
  },
  authorization: {
    summary: 'Refuses: there are no response types',
    description: 'Named in the metadata because discovery clients insist.',
    tags,
    security: [],
    response: { 400: refusal('unsupported_response_type', 'invalid_request'), 500: broken[500] },
  },
  serverMetadata: {
    summary: 'Authorization server metadata',
    description: 'RFC 8414.',
    operationId: 'getServerMetadata',
    tags: discovery,
    security: [],
    response: { 200: serverMetadata, 400: malformed, ...broken }
  },
  openidConfiguration: {
    summary: 'The same for OpenID Connect Discovery',
    description: 'The document of RFC 8414, for clients that look here alone.',
    operationId: 'getOpenidConfiguration',
    tags: discovery,
    security: [],
    response: { 200: serverMetadata, 400: malformed, ...broken }
  },
  jwks: {
    summary: 'The keys that tokens are signed with',
    description: 'RFC 7517.',
    operationId: 'getJwks',
    tags: discovery,
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
    summary: 'What this host says of itself as a resource',
    description: 'RFC 9728.',
    operationId: 'getHostMetadata',
    tags: discovery,
    security: [],
    response: { 200: resourceMetadata, 400: malformed, 404: noResource, ...broken }
  },
  resourceMetadata: {
    summary: 'What the resource at this path says of itself',
    description: 'RFC 9728 §3.1. The path may have slashes.',
    operationId: 'getResourceMetadata',
    tags: discovery,
    security: [],
    response: { 200: resourceMetadata, 400: malformed, 404: noResource, ...broken },
  },
} as const satisfies Record<string, FastifySchema>

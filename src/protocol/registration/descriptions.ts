/** Client registration in the OpenAPI document. Handlers validate bodies, never these schemas. */
import type { FastifySchema } from 'fastify'
import { Type } from '../../http/typebox-lite.ts'
import { clientAuthMethods } from '../../domain/credentials/client.ts'
import { applicationTypes } from '../../domain/client-metadata/redirect-uri.ts'
import { idTokenAlgorithms } from '../../domain/tokens/signing-key.ts'
import { broken, malformed, refusal, slow, texts, url } from '../shared/schemas.ts'

const tags = ['oauth']
const nonEmptyTexts = Type.Array(Type.String({ minLength: 1 }))
const link = Type.Optional(Type.String())

const metadata = {
  client_name: Type.Optional(Type.String({ maxLength: 200, examples: ['agent'] })),
  token_endpoint_auth_method: Type.Optional(Type.Enum([...clientAuthMethods])),
  token_endpoint_auth_signing_alg: Type.Optional(Type.String()),
  jwks: Type.Optional(Type.Object({ keys: Type.Array(Type.Record(Type.String(), Type.Unknown())) })),
  redirect_uris: Type.Optional(nonEmptyTexts),
  grant_types: Type.Optional(
    Type.Array(Type.String(), {
      description: 'Those that this server and the client do not support are left out. Default: with redirect URIs ' +
        '`authorization_code` and `refresh_token`, else `client_credentials`.'
    })
  ),
  response_types: Type.Optional(texts),
  id_token_signed_response_alg: Type.Optional(
    Type.Enum([...idTokenAlgorithms], { description: 'Default: ES256, and not RS256.' })
  ),
  application_type: Type.Optional(
    Type.Enum([...applicationTypes], {
      description: 'Default: `web` if every redirect URI is https, else `native`, for which the port of a loopback ' +
        'redirect URI may vary (RFC 8252 §7.3).'
    })
  ),
  contacts: Type.Optional(nonEmptyTexts),
  client_uri: link,
  logo_uri: link,
  policy_uri: link,
  tos_uri: link,
  software_id: Type.Optional(Type.String()),
  software_version: Type.Optional(Type.String()),
  scope: Type.Optional(
    Type.String({ description: 'Ignored: the registration token determines the scopes.' })
  )
}
/** As clients send it: a member that is null counts as not sent (RFC 7592 §2.2). */
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
  client_secret: Type.Optional(Type.String({ description: 'Shown only once.' })),
  client_secret_expires_at: Type.Optional(Type.Literal(0)),
}, { title: 'RegisteredClient' })
const configured = { 401: refusal('invalid_token'), 429: slow, ...broken }
const metadataRefused = refusal('invalid_request', 'invalid_client_metadata', 'invalid_redirect_uri')

export const descriptions = {
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
    summary: 'Read the client\'s registration',
    description: 'RFC 7592 §2.1.',
    operationId: 'readRegistration',
    tags,
    security: [{ registrationAccessToken: [] }],
    response: { 200: information, 400: malformed, ...configured },
  },
  replaceRegistration: {
    summary: 'Replace the client\'s registration',
    description: 'RFC 7592 §2.2: omitted members are removed.',
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
    summary: 'Delete the client\'s registration',
    description: 'RFC 7592 §2.3.',
    operationId: 'deleteRegistration',
    tags,
    security: [{ registrationAccessToken: [] }],
    response: { 204: Type.Null(), 400: malformed, 413: malformed, ...configured },
  },
} as const satisfies Record<string, FastifySchema>

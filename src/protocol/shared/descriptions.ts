/**
 * The OAuth endpoints in the OpenAPI document. Their handlers read and validate bodies as the RFCs say, never by these
 * schemas.
 */
import type { FastifySchema } from 'fastify'
import type { TProperties } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import { sessionLifetime } from '../../domain/tokens/session-token.ts'
import { accessTokenType, apiKeyType, exchangeGrant } from '../grants/exchange-parameters.ts'
import { broken, malformed, refusal, refusalOfIssuer, slow, texts } from './schemas.ts'

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

function tokenAnswer (title: string, lifetime: number, more: TProperties = {}) {
  return Type.Object({
    access_token: Type.String({ examples: ['eyJhbGciOiJFUzI1NiIs…'] }),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ description: 'Seconds.', examples: [lifetime] }),
    scope: Type.Optional(
      Type.String({ description: 'The granted scopes; absent: none.', examples: ['invoices:read'] })
    ),
    ...more
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
      'The client credentials grant (RFC 6749 §4.4): the client gets the scopes that were configured for it on the ' +
        'resource, whatever `scope` requests. Token exchange (RFC 8693): an API key, or an access token of the ' +
        'client itself, is exchanged for a token with less.',
    operationId: 'requestToken',
    tags,
    security: clientProof,
    body: formOf('TokenRequest', {
      grant_type: Type.Enum(['client_credentials', exchangeGrant]),
      resource: Type.Optional(Type.String({
        description:
          'The API that the token is for (RFC 8707). Default: the client\'s first grant; in an exchange, that of the ' +
            'subject token.',
        examples: ['https://api.acme.test']
      })),
      scope: Type.Optional(Type.String({ description: 'In an exchange, the scopes; absent: all. Else ignored.' })),
      subject_token: Type.Optional(Type.String({ description: 'What is exchanged: an API key, or an access token.' })),
      subject_token_type: Type.Optional(Type.Enum([apiKeyType, accessTokenType])),
      requested_token_type: Type.Optional(Type.Literal(accessTokenType)),
      audience: Type.Optional(Type.String({ description: 'In an exchange, as `resource`.' })),
      expires_in: Type.Optional(Type.Integer({ description: 'In an exchange, the seconds that the token lives.' })),
      ...authentication,
    }),
    response: {
      200: tokenAnswer('AccessToken', 3_600, { issued_token_type: Type.Optional(Type.Literal(accessTokenType)) }),
      400: refusal(
        'invalid_request', 'invalid_grant', 'invalid_scope', 'invalid_target', 'unauthorized_client',
        'unsupported_grant_type'
      ),
      401: refusal('invalid_client'),
      413: malformed,
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
        sub_kind: Type.Optional(Type.Enum(['api_key', 'workload'], {
          description: 'What `sub` is; absent: a client or a member.'
        })),
        workload: Type.Optional(Type.String({ description: 'What a trusted issuer calls the workload.' })),
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
    description:
      'RFC 7009. A token that is foreign, unknown or no longer valid is answered like success. A token of an API ' +
        'key, or of a workload that acts as itself, is its own proof, and is sent without a client.',
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
  userinfo: {
    summary: 'Claims about the member for whom a client acts',
    description:
      'OpenID Connect Core §5.3. Takes an access token whose audience is this endpoint, in the Authorization header ' +
        'or, by POST, as `access_token` in a form. Claims beside `sub` by the scopes `profile` and `email`.',
    tags,
    security: [{ memberToken: [] }],
    response: {
      200: Type.Object({
        sub: Type.String({ description: 'The member.', examples: ['mem_5yKtQ0rXc2sVb8nLd4wEfG'] }),
        name: Type.Optional(Type.String()),
        email: Type.Optional(Type.String()),
      }, { title: 'Userinfo' }),
      400: malformed,
      401: refusal('invalid_token'),
      403: refusal('insufficient_scope'),
      429: slow,
      ...broken,
    },
  },
  authorization: {
    summary: 'Ask a person to authorize a client',
    description:
      'The authorization code grant (RFC 6749 §4.1) with PKCE by S256 (RFC 7636), `resource` (RFC 8707) and `iss` in ' +
        'every answer (RFC 9207). The parameters are those of the RFCs, in the query or in a form. Errors before the ' +
        'client and its redirect URI are known are shown as a page.',
    tags,
    security: [],
    response: {
      303: Type.Null({ description: 'To the page that asks, or back to the client.' }),
      400: refusalOfIssuer('invalid_request', 'invalid_client', 'invalid_redirect_uri', 'unsupported_response_type'),
      413: malformed,
      429: slow,
      ...broken,
    },
  },
  resumption: {
    summary: 'Go on with an authorization request',
    description: 'Where the page leads to that has asked the person, in the browser that began the request.',
    operationId: 'resumeAuthorization',
    tags,
    security: [],
    params: Type.Object({ uid: Type.String() }),
    response: {
      303: Type.Null({ description: 'To the next page that asks, or back to the client.' }),
      400: refusalOfIssuer('invalid_request'),
      429: slow,
      ...broken,
    },
  },
  pushedRequest: {
    summary: 'Push an authorization request',
    description: 'RFC 9126. The answer\'s `request_uri` stands for the parameters, once and for a minute.',
    operationId: 'pushAuthorizationRequest',
    tags,
    security: clientProof,
    body: formOf('PushedAuthorizationRequest', {
      response_type: Type.Literal('code'),
      redirect_uri: Type.String({ examples: ['http://127.0.0.1:3334/callback'] }),
      code_challenge: Type.String({ examples: ['E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'] }),
      code_challenge_method: Type.Literal('S256'),
      resource: Type.Optional(Type.String({ examples: ['https://api.acme.test'] })),
      scope: Type.Optional(Type.String({ examples: ['invoices:read'] })),
      state: Type.Optional(Type.String()),
      ...authentication,
    }),
    response: {
      201: Type.Object({ request_uri: Type.String(), expires_in: Type.Integer() }, { title: 'PushedRequest' }),
      400: refusal(
        'invalid_request', 'invalid_redirect_uri', 'invalid_scope', 'invalid_target', 'unauthorized_client',
        'unsupported_response_type'
      ),
      401: refusal('invalid_client'),
      429: slow,
      ...broken,
    },
  },
} as const satisfies Record<string, FastifySchema>

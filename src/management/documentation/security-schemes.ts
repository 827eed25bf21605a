/** How operations of the document authenticate: the security schemes, and the ones that a route takes. */
import type { FastifyContextConfig } from 'fastify'
import type { Scope } from '../../domain/resources/scope.ts'

/** Empty: the route is public. Every scheme names the scopes: a key and a token need the same ones. */
export function securityOf (
  { scopes, apiKeyOnly, person }: FastifyContextConfig
): Readonly<Record<string, readonly string[]>>[] {
  if (scopes === undefined) return []
  if (person === true) return [{ personSession: scopes }]
  return apiKeyOnly === true ? [{ apiKey: scopes }] : [{ apiKey: scopes }, { bearer: scopes }, { oauth2: scopes }]
}

/** The ways to authenticate that the document describes, by name. */
export function securitySchemes (
  { tokenUrl, scopes }: { tokenUrl: string, scopes: readonly Scope[] }
): Record<string, unknown> {
  return {
    apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'An API key for the management API.' },
    bearer: {
      type: 'http', scheme: 'bearer', description: 'An access token for the management API, or the admin token.'
    },
    oauth2: {
      type: 'oauth2',
      description: 'A client requests a token with `resource` set to the identifier of the management API.',
      flows: {
        clientCredentials: {
          tokenUrl,
          scopes: Object.fromEntries(
            scopes.filter(({ keyOnly }) => !keyOnly).map(
              ({ name, description }) => [name, description ?? meaningOf(name)]
            )
          )
        }
      }
    },
    personSession: {
      type: 'apiKey',
      in: 'cookie',
      name: '__Host-latchkey_session',
      description:
        'The session of a signed-in person; `latchkey_session` where the issuer is http on loopback. The management ' +
          'API takes it too. A change must come from a page of this server.'
    },
    clientBasic: {
      type: 'http',
      scheme: 'basic',
      description:
        'client_secret_basic: `client_id` and `client_secret`. The other methods (client_secret_post, ' +
          'private_key_jwt) send theirs in the body.'
    },
    memberToken: {
      type: 'http',
      scheme: 'bearer',
      description: 'An access token of a client that acts for a member, for userinfo (OpenID Connect Core §5.3).'
    },
    registrationToken: {
      type: 'http',
      scheme: 'bearer',
      description: 'A registration token that an operator issued.'
    },
    registrationAccessToken: {
      type: 'http', scheme: 'bearer', description: 'The `registration_access_token` of the client (RFC 7592).'
    }
  }
}

function meaningOf (scope: string): string {
  const [collection = '', verb] = scope.split(':')
  return `${verb === 'read' ? 'Read' : 'Change'} ${collection.replaceAll('-', ' ')}`
}

/** The endpoint for identity providers in the OpenAPI document. */
import type { FastifySchema } from 'fastify'
import { Type } from '../../http/typebox-lite.ts'
import { broken, malformed, slow } from '../shared/schemas.ts'

const form = Type.Object({ logout_token: Type.String({ description: 'A JWT, of the type `logout+jwt` or of none.' }) })

export const descriptions = {
  backchannelLogout: {
    summary: 'Sign a person out by their identity provider',
    description:
      'OpenID Connect Back-Channel Logout §2.5: ends the sessions that the provider vouched for, by `sid`, else by ' +
      '`sub`. For identity providers; the logout token is the proof.',
    operationId: 'backchannelLogout',
    tags: ['sign-in'],
    body: { content: { 'application/x-www-form-urlencoded': { schema: form } } },
    response: {
      200: Type.Null({ description: 'The sessions have ended, on every server.' }),
      400: malformed,
      429: slow,
      ...broken,
    },
  } satisfies FastifySchema,
}

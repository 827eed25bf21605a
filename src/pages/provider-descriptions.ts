/** Sign-in with identity providers in the OpenAPI document. */
import type { FastifySchema } from 'fastify'
import { Type } from '../http/typebox-lite.ts'
import { done, form, problem, refused, seeOther, tags } from './descriptions.ts'

export const callback: FastifySchema = {
  summary: 'Come back from an identity provider',
  description:
    'The provider sends the browser here. Begins the session, sets its cookie, and leads to the `return_to` of the ' +
    'sign-in. It works once, in the browser that began it.',
  operationId: 'finishSignIn',
  tags,
  querystring: Type.Object({
    state: Type.Optional(Type.String()),
    code: Type.Optional(Type.String()),
    iss: Type.Optional(Type.String()),
    error: Type.Optional(Type.String()),
  }),
  response: {
    303: Type.Null({ description: 'Signed in: see the address in `Location`.' }),
    ...refused,
    401: problem('The session that wanted to add an account has ended.'),
    403: problem('The person has no access here, or the provider refused them.'),
    409: problem('The account is another member\'s.'),
    429: problem('Too many failed sign-ins from this address.'),
    503: problem('The provider, or the database, does not answer.'),
  },
}

export const addIdentity: FastifySchema = {
  summary: 'Add an account at an identity provider',
  description: 'Answers with the address of the provider. Its account signs the signed-in member in from then ' +
    'on. Takes a sign-in of the last ten minutes.',
  operationId: 'addIdentity',
  tags,
  body: form('provider', 'The id of the provider.'),
  response: {
    200: {
      description: 'Where to go on.',
      content: {
        'text/html': { schema: Type.String() },
        'application/json': { schema: Type.Object({ url: Type.String() }) },
      }
    },
    ...refused,
    401: problem('Nobody is signed in, or the sign-in is too old.'),
    404: problem('There is no such provider.'),
  },
}

export const removeIdentity: FastifySchema = {
  summary: 'Remove an account at an identity provider',
  description:
    'It does not sign the member in any more. Takes a sign-in of the last ten minutes. The last way in stays.',
  operationId: 'removeIdentity',
  tags,
  response: {
    204: done,
    303: seeOther,
    ...refused,
    401: problem('Nobody is signed in, or the sign-in is too old.'),
    404: problem('The member has no such account.'),
    409: problem('It is the last way in.'),
  },
}

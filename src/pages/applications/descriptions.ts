/** The page of connected applications in the OpenAPI document. */
import type { FastifySchema } from 'fastify'
import { Type } from '../../http/typebox-lite.ts'
import { done, page, problem, refused, seeOther } from '../descriptions.ts'

const tags = ['sign-in']
const params = Type.Object({ id: Type.String({ maxLength: 128 }) })
const nobody = problem('Nobody is signed in.')
const ended = {
  204: done, 303: seeOther, 401: nobody, 404: problem('It is unknown, or another member\'s.'), ...refused
}

export const applications: FastifySchema = {
  summary: 'Open the page of connected applications',
  description: 'What the member has allowed applications in this organization, newest first.',
  operationId: 'getConnectedApplications',
  tags,
  querystring: Type.Object({
    after: Type.Optional(Type.String({ maxLength: 128, description: 'The id of a consent: those before it.' }))
  }),
  response: { 200: page('The page.'), 400: refused[400], 401: nobody, 404: ended[404], 503: refused[503] },
}

export const consentEnd: FastifySchema = {
  summary: 'End what was allowed',
  description: 'Ends the consent of this id and its authorizations. For pages of this server only.',
  operationId: 'endConnectedApplication',
  tags,
  params,
  response: ended,
}

export const connectionEnd: FastifySchema = {
  summary: 'End one connection',
  description: 'Ends the authorization of this id; the consent stays. For pages of this server only.',
  operationId: 'endConnection',
  tags,
  params,
  response: ended,
}

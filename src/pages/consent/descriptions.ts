/** The consent page in the OpenAPI document. */
import type { FastifySchema } from 'fastify'
import { Type } from '../../http/typebox-lite.ts'
import { page, problem, refused } from '../descriptions.ts'

const tags = ['sign-in']
const params = Type.Object({ uid: Type.String({ maxLength: 128 }) })
const onward = Type.Null({ description: 'To the sign-in page, or on with the request.' })
const over = problem('The request is over, or another browser began it.')

export const question: FastifySchema = {
  summary: 'Open the consent page',
  description: 'What a client asks for, to the person who decides. What they have allowed before is not asked again.',
  operationId: 'getConsentPage',
  tags,
  params,
  response: { 200: page('The page.'), 303: onward, 404: over, 503: refused[503] },
}

const fields = Type.Object({
  decision: Type.Enum(['allow', 'deny']),
  shown: Type.Optional(Type.String({ description: 'What the page has in its form.' })),
})

export const decision: FastifySchema = {
  summary: 'Allow or deny',
  description: 'Takes the decision of the person to whom the page was shown. For pages of this server only.',
  operationId: 'decideConsent',
  tags,
  params,
  body: {
    content: { 'application/x-www-form-urlencoded': { schema: fields }, 'application/json': { schema: fields } }
  },
  response: { 303: onward, ...refused, 404: over },
}

/** The body and the answer of `POST /api/v1/verify`. */
import type { Static } from 'typebox'
import { Type } from '../http/typebox-lite.ts'
import { idempotencyKeyForm } from '../management/conventions/idempotent-creation.ts'
import { as, exactly, ObjectId, ObjectType, OrganizationId, ResourceName } from '../management/conventions/schemas.ts'
import { WirePrincipal } from '../management/schemas/principal.ts'
import { clientCredentials } from './client-proof.ts'

/** Questions in one call, at most. */
export const mostQuestions = 100

/** Bytes of a body, at most: so many questions about tokens of 2.5 KB. */
export const longestBody = 262_144

const Credential = as(
  Type.String({
    minLength: 1, maxLength: 8_192, description: 'The API key or the access token, without the name of a scheme.'
  }),
  'lb_live_4f2a…'
)

const Scopes = as(Type.Array(Type.String({ minLength: 1, maxLength: 128 }), {
  maxItems: 50, description: 'All of them are needed. `[]`: any valid credential will do.'
}), ['invoices:read'])

const needs = {
  kind: Type.Optional(
    Type.Enum(['api_key', 'access_token'], {
      description: 'How the credential was presented. Left out: as the form of its text says.'
    })
  ),
  organization: Type.Optional(
    Type.With(OrganizationId, { description: 'The organization that the request names. Left out: it names none.' })
  ),
  object: Type.Optional(exactly({ type: ObjectType, id: ObjectId }, 'AskedObject')),
  feature: Type.Optional(
    as(Type.String({
      pattern: '^[a-z][a-z0-9-]{0,63}$', description: 'What the plan of the organization has to include.'
    }), 'embedding')
  ),
  credits: Type.Optional(
    as(Type.Integer({
      minimum: 0,
      maximum: 2_147_483_647,
      description: 'What the call costs; at most `mostCredits` of the resource. More than 0 is taken ' +
        'of API keys and of clients that act for people only.'
    }), 1)
  ),
  apiKeyOnly: Type.Optional(Type.Boolean({ description: 'Whether only API keys are taken.' })),
  environment: Type.Optional(
    Type.With(Type.Enum(['live', 'test']), { description: 'The one environment that is served. Left out: both.' })
  ),
  address: Type.Optional(
    as(Type.String({
      maxLength: 64,
      description: 'The IP address that the credential came from. Left out: unknown, so no allowlist lets it pass.'
    }), '203.0.113.7')
  ),
  method: Type.Optional(
    as(Type.String({ pattern: '^[!#$%&\'*+.^_`|~0-9A-Za-z-]{1,32}$', description: 'For the audit log.' }), 'GET')
  ),
  path: Type.Optional(
    as(Type.String({
      maxLength: 2_048,
      pattern: '^/[\\x21-\\x7e]*$',
      description: 'The path of the request, for the refusal. A query is left out. Default: `/`.'
    }), '/v1/invoices')
  )
}

const Item = exactly({
  id: Type.Optional(
    as(Type.String({
      ...idempotencyKeyForm,
      description: 'As an Idempotency-Key of this item alone: the same answer for 10 minutes, counted once.'
    }), '8e03978e-40d5-43e8-bc93-6894a57f9324')
  ),
  credential: Credential,
  resource: ResourceName,
  scopes: Scopes,
  ...needs
}, 'VerifyItem')

export type QuestionBody = Static<typeof Item>

export const VerifyRequest = exactly({
  credential: Type.Optional(Credential),
  resource: Type.Optional(ResourceName),
  scopes: Type.Optional(Scopes),
  ...needs,
  items: Type.Optional(Type.Array(Item, {
    minItems: 1, maxItems: mostQuestions, description: 'Several questions instead of one.'
  })),
  ...clientCredentials
}, 'VerifyRequest')

export type VerifyBody = Static<typeof VerifyRequest>

const Fields = Type.Record(Type.String(), Type.String(), {
  description: 'Names in lower case. Of an allowed call: the `RateLimit` fields for the answer of the API.'
})

const verdict = {
  allowed: Type.Boolean(),
  principal: Type.Optional(WirePrincipal),
  headers: Type.Optional(Fields),
  reason: Type.Optional(as(
    Type.String({
      description: 'Of a refusal: the precise reason for clients of the credential\'s own organization and of the ' +
        'deployment; for others what the style of the resource documents.'
    }),
    'revoked'
  )),
  refusal: Type.Optional(Type.Object({
    status: as(Type.Integer(), 401),
    headers: Type.Record(Type.String(), Type.String()),
    body: as(Type.String(), '{"statusCode":401,…}')
  }, { description: 'The answer that the API can send as it is.' }))
}

/** One question has the members of one verdict, `items` have one each, in their order. */
export const VerifyAnswer = Type.Object({
  ...verdict,
  allowed: Type.Optional(verdict.allowed),
  items: Type.Optional(Type.Array(Type.Object({ id: Type.Optional(Type.String()), ...verdict }, { title: 'Verdict' })))
}, { title: 'VerifyAnswer' })

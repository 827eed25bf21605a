/** The body and the answer of `POST /api/v1/explain`, and the requests that are kept of a credential. */
import type { Static } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import type { LoggedRequest } from '../../domain/metering/request-log.ts'
import {
  as, exactly, list, Moment, nullable, ObjectId, ObjectType, OrganizationId, ResourceName, ScopeNames
} from '../conventions/schemas.ts'
import type { ResourcesById } from '../conventions/resource-names.ts'
import { describedKinds } from '../explanation/described-credential.ts'
import type { Explanation } from '../explanation/explanation.ts'
import { secretForms } from '../explanation/secret-forms.ts'
import type { PastRefusal } from '../explanation/past-refusals.ts'

const text = Type.String()
export const RequestId = as(
  Type.String({ maxLength: 64, description: 'The `X-Request-Id` of an answer of this server.' }),
  '8e03978e-40d5-43e8-bc93-6894a57f9324'
)
const Route = as(Type.String({
  maxLength: 2_048,
  pattern: '^[A-Z]+ /[\\x21-\\x7e]*$',
  description: 'A route that this server guards, `GET /v1/invoices/:id`, or a request to it.'
}), 'GET /v1/invoices/:id')

export const ExplainBody = exactly({
  credential: Type.Optional(as(Type.String({
    minLength: 1,
    maxLength: 8_192,
    description: 'The text of a credential, or the id of an API key. Digested and forgotten.'
  }), 'lb_live_4f2a…')),
  requestId: Type.Optional(RequestId),
  address: Type.Optional(as(Type.String({ maxLength: 64, description: 'An IP address.' }), '203.0.113.7')),
  resource: Type.Optional(Type.With(ResourceName, {
    description: 'Where the credential is judged: the identifier of a resource, or its id. Default: its own.'
  })),
  scopes: Type.Optional(Type.With(ScopeNames, { description: 'The scopes that it is judged for. Default: none.' })),
  route: Type.Optional(Route),
  organization: Type.Optional(
    Type.With(OrganizationId, { description: 'The organization that the request names. Default: none.' })
  ),
  object: Type.Optional(exactly({ type: ObjectType, id: ObjectId }, 'ExplainedObject')),
  credits: Type.Optional(as(Type.Integer({
    minimum: 0,
    maximum: 999_999_999,
    description: 'What the call costs, in credits, where no route of this server is named. Default: nothing.'
  }), 5)),
  from: Type.Optional(as(Type.String({
    maxLength: 64, description: 'The address that the request comes from. Default: an allowlist is not looked at.'
  }), '203.0.113.7')),
}, 'ExplainRequest')

const sentences = {
  because: as(text, 'The credential has expired.'),
  remedy: as(text, 'Ask for another token; an expired key is replaced by a new one.')
}
const Subject = Type.Object({
  kind: Type.Enum([...describedKinds]),
  idKind: Type.Optional(Type.Enum(['api_key'], {
    description: 'What `id` names for an access token; absent: a client, or the member for whom it acts.'
  })),
  id: as(text, 'key_2bNfD7hXk9mQpRsTuVwYzA'),
  authorization: nullable(Type.String({ description: 'By which a client acts for a member.' })),
  name: nullable(as(Type.String({ description: 'Null: it has none, or you may not read its kind.' }), 'ci')),
  hint: nullable(Type.String({ description: 'The visible part of its secret. Null: as of the name.' })),
  organization: nullable(OrganizationId),
  status: as(Type.String({ description: '`active`, or why it is not.' }), 'revoked'),
  resource: nullable(as(text, 'https://api.acme.test')),
  expiresAt: nullable(Moment),
}, { title: 'ExplainedCredential' })
const Verdict = Type.Object({
  allowed: Type.Boolean(),
  resource: nullable(text),
  route: nullable(text),
  scopes: nullable(list(text)),
  refusal: nullable(Type.Object({
    reason: as(text, 'expired'),
    code: nullable(as(Type.String({
      description: 'In the style of the resource. Null: its bodies have the status alone.'
    }), 'UNAUTHORIZED')),
    status: as(Type.Integer({ description: 'That the caller gets, in the style of the resource.' }), 401),
    ...sentences,
    requiredScopes: list(text),
    policy: nullable(text),
  }, { title: 'ExplainedVerdict' })),
}, { title: 'VerdictNow' })

const request = {
  createdAt: Moment,
  requestId: nullable(text),
  route: nullable(Type.String({ description: 'As the route is declared: without ids and query.' })),
  status: nullable(as(Type.Integer(), 401)),
  reason: nullable(Type.String({ description: 'The precise reason. Null: it was admitted.' })),
  credential: nullable(Type.String({ description: 'Its id. Null: none was found that you may see.' })),
  resource: nullable(text),
  addressBlock: nullable(as(
    Type.String({ description: 'The block of addresses that it came from.' }), '203.0.113.0/24'
  ))
}
export const WireRequest = Type.Object(request, { title: 'LoggedRequest' })

export const WireExplanation = Type.Object({
  subject: nullable(Subject),
  form: nullable(Type.Enum([...secretForms], {
    description: 'What a text that is not found is by its form alone: whether it exists is not said.'
  })),
  request: nullable(WireRequest),
  verdict: nullable(Verdict),
  refusals: Type.Array(Type.Object({
    ...request,
    reason: text,
    ...sentences,
    omitted: Type.Integer({ description: 'Refusals of the same minute that the audit log only counted.' })
  }, { title: 'PastRefusal' }), { description: 'The newest first, at most 20.' }),
  remedy: nullable(Type.String({ description: 'What to do. Null: nothing.' })),
}, { title: 'Explanation' })

/** The ids of the resources that an explanation names. */
export function resourceIdsIn ({ subject, request, refusals }: Explanation): string[] {
  return [subject, request, ...refusals].flatMap(each => each?.resourceId ?? [])
}

export function wireExplanation (
  { subject, form, request, verdict, refusals, remedy }: Explanation, resources: ResourcesById
): Static<typeof WireExplanation> {
  return {
    subject: subject && wireSubject(subject, resources),
    form,
    request: request && wireRequest(request, resources),
    verdict,
    refusals: refusals.map(refusal => {
      const { reason, because, remedy, omitted } = refusal
      return { ...wireRequest(refusal, resources), reason, because, remedy, omitted }
    }),
    remedy,
  }
}

function wireSubject (subject: NonNullable<Explanation['subject']>, resources: ResourcesById): Static<typeof Subject> {
  const { kind, idKind, id, authorizationId: authorization, name, hint, organizationId: organization, status } = subject
  const { resourceId, expiresAt } = subject
  const resource = nameIn(resources, resourceId)
  const named = { ...(idKind === undefined ? {} : { idKind }), id, authorization, name }
  return { kind, ...named, hint, organization, status, resource, expiresAt }
}

export function wireRequest (
  { createdAt, requestId, route, status, reason, credentialId: credential, resourceId, block }:
  LoggedRequest | PastRefusal,
  resources: ResourcesById
): Static<typeof WireRequest> {
  const resource = nameIn(resources, resourceId)
  return { createdAt, requestId, route, status, reason, credential, resource, addressBlock: block }
}

function nameIn (resources: ResourcesById, id: string | null): string | null {
  return id === null ? null : resources.get(id)?.identifier ?? id
}

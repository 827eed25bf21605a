/** Schemas of API keys: creation, import, change, and the answers. */
import { accessLevels, keyStatuses, statusOf, type ApiKey } from '../../domain/credentials/api-key.ts'
import { listOrders } from '../../domain/core/list.ts'
import { roles } from '../../domain/members/roles.ts'
import { Type } from '../../http/typebox-lite.ts'
import { revision } from '../conventions/etags.ts'
import { wireScopes, type ResourcesById } from '../conventions/resource-names.ts'
import {
  Allowlist, annotations, as, exactly, ExternalId, givenAnnotations, GivenObjects, GivenScopes, Hint, Id, Instant,
  limits, listQuerystring, Moment, Name, nullable, Objects, OrganizationId, Owner, ResourceName, ScopeNames, shownOnce,
  Texts,
} from '../conventions/schemas.ts'

const Portal = Type.With(exactly({
  template: Type.Optional(Type.Union([Id, Type.Null()], {
    description: 'The organization template of what it provisions.'
  })),
  ceiling: Type.Optional(Type.Enum([...roles], {
    description: 'The highest role that it mints sign-in links for; `member` unless given.'
  })),
}), { description: 'Of a key with `portal-provision` or `portal-sso-mint`. Requires the admin token or an operator.' })

const changeable = {
  organizations: Type.Optional(
    Type.Array(Id, {
      maxItems: 100, description: 'Organizations whose data it reaches besides its own.'
    })
  ),
  access: Type.Optional(Type.Enum([...accessLevels])),
  scopes: Type.Optional(ScopeNames),
  objects: Type.Optional(Objects),
  allowlist: Type.Optional(Allowlist),
  expiresAt: Type.Optional(Type.Union([Instant, Type.Null()])),
  portal: Type.Optional(Portal),
  ...annotations,
  ...limits,
}

const newKeyMembers = {
  ...changeable,
  organization: Owner,
  resource: ResourceName,
  environment: Type.Enum(['live', 'test']),
  name: Name,
  creator: Type.Optional(Type.Union([Id, Type.Null()], { description: 'The member whose permissions bound it.' })),
}

export const NewKey = exactly(newKeyMembers)
export const ImportedKey = exactly({
  ...newKeyMembers,
  digest: as(
    Type.String({
      pattern: '^([0-9A-Fa-f]{64}|[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])$',
      description: 'SHA-256 of the key: 64 hex digits, or 43 base64url characters.'
    }),
    '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
  ),
  hint: Hint
})
export const KeyText = exactly({ key: Type.String({ minLength: 1, maxLength: 512 }) })
export const KeyChange = exactly({ ...changeable, name: Type.Optional(Name) })
export const KeyQuerystring = exactly({
  ...listQuerystring({
    records: 'API keys', found: 'the name, or of the visible part of the key', sorts: listOrders
  }),
  organization: Type.Optional(Id),
  status: Type.Optional(Type.Enum([...keyStatuses])),
  name: Type.Optional(Name),
  environment: Type.Optional(Type.Enum(['live', 'test'])),
  resource: Type.Optional(Id),
  creator: Type.Optional(Id),
  externalId: Type.Optional(ExternalId),
  unusedSince: Type.Optional(Type.With(Instant, { description: 'Made before this instant, and not used since.' })),
  expiresBefore: Type.Optional(Type.With(Instant, { description: 'With an end before this instant.' })),
  names: Type.Optional(Type.Boolean({ default: false, description: 'Whether to add names of creators.' })),
})
const apiKey = {
  id: as(Type.String(), 'key_2bNfD7hXk9mQpRsTuVwYzA'),
  hint: as(Type.String({ description: 'The visible part of the key.' }), 'lb_live_…Xq3f'),
  status: Type.Enum([...keyStatuses]),
  organization: OrganizationId,
  organizations: Texts,
  resource: as(Type.String(), 'https://api.acme.test'),
  environment: Type.Enum(['live', 'test']),
  name: as(Type.String(), 'ci'),
  access: Type.Enum([...accessLevels]),
  scopes: GivenScopes,
  objects: GivenObjects,
  allowlist: Texts,
  callsPerMonth: nullable(Type.Integer()),
  creditsPerMonth: nullable(Type.Integer()),
  callsPerMinute: nullable(Type.Integer()),
  createdBy: as(Type.String(), 'admin'),
  creator: nullable(Type.String()),
  vouchedBy: nullable(Type.String({ description: 'The key that vouched for the session by which it was made.' })),
  portal: nullable(Type.Object({ template: nullable(Type.String()), ceiling: Type.Enum([...roles]) })),
  imported: Type.Boolean(),
  rotatedFrom: nullable(Type.String()),
  rotatedTo: nullable(Type.String()),
  createdAt: Moment,
  expiresAt: nullable(Moment),
  revokedAt: nullable(Moment),
  revokedReason: nullable(Type.String()),
  disabledAt: nullable(Moment),
  disabledReason: nullable(Type.String()),
  ...givenAnnotations,
  lastUsedAt: nullable(Moment),
}

export const WireKey = Type.Object(apiKey, { title: 'ApiKey' })
export const ListedKey = Type.Object({
  ...apiKey,
  creatorName: Type.Optional(nullable(Type.String({
    description: 'The name of `creator`. Present where `names=true` asks for it.'
  })))
}, { title: 'ListedApiKey' })
export const ApiKeyWithText = Type.Object({ ...apiKey, key: shownOnce('lb_live_…') }, { title: 'ApiKeyWithText' })

/** An API key as the API answers it. */
export function wireKey (key: ApiKey, resources: ResourcesById, now: Date) {
  const { resource, scopes } = wireScopes(resources, key.resourceId, key.scopes)
  return {
    [revision]: key.revision,
    id: key.id,
    hint: key.hint,
    status: statusOf(key, now),
    organization: key.organizationId,
    organizations: key.organizations,
    resource,
    environment: key.environment,
    name: key.name,
    access: key.access,
    scopes,
    objects: key.objects,
    allowlist: key.allowlist,
    callsPerMonth: key.callsPerMonth,
    creditsPerMonth: key.creditsPerMonth,
    callsPerMinute: key.callsPerMinute,
    createdBy: key.createdBy,
    creator: key.creatorId,
    vouchedBy: key.vouchedBy,
    portal: key.portal && { template: key.portal.templateId, ceiling: key.portal.ceiling },
    imported: key.imported,
    rotatedFrom: key.rotatedFrom,
    rotatedTo: key.rotatedTo,
    createdAt: key.createdAt,
    expiresAt: key.expiresAt,
    revokedAt: key.revokedAt,
    revokedReason: key.revokedReason,
    disabledAt: key.disabledAt,
    disabledReason: key.disabledReason,
    metadata: key.annotations,
    externalId: key.externalId,
    lastUsedAt: key.lastUsedAt,
  }
}

/** Authorizations and consents on the wire: ids, and the names that go with them. */
import { Type } from '../../http/typebox-lite.ts'
import { authorizationEnds, type Authorization } from '../../domain/authorizations/authorization.ts'
import type { Consent } from '../../domain/authorizations/consent.ts'
import type { Operation } from '../../domain/core/operation.ts'
import type { Repositories } from '../../domain/store.ts'
import { revision } from '../conventions/etags.ts'
import { resourcesById, wireScopes, type ResourcesById } from '../conventions/resource-names.ts'
import { as, GivenScopes, Moment, nullable, OrganizationId, ResourceName } from '../conventions/schemas.ts'

export const AuthorizationStatus = Type.Enum(['active', 'ended', 'expired'])
const About = {
  organization: OrganizationId,
  member: as(Type.String(), 'mem_5yKtQ0rXc2sVb8nLd4wEfG'),
  client: as(Type.String({ description: 'Its `client_id`.' }), 'cli_SMFY997Oo6f1bZteLcSAnl'),
  clientName: nullable(
    as(Type.String({ description: 'As it calls itself; null: the client is gone.' }), 'Weather Agent')
  ),
  resource: ResourceName,
  scopes: GivenScopes,
}
export const WireAuthorization = Type.Object({
  id: as(Type.String(), 'aut_Vb8nLd4wEfG5yKtQ0rXc2s'),
  ...About,
  status: AuthorizationStatus,
  createdAt: Moment,
  lastUsedAt: nullable(Moment),
  expiresAt: Moment,
  endedAt: nullable(Moment),
  endedReason: nullable(Type.Enum([...authorizationEnds])),
  callsPerMonth: nullable(Type.Integer()),
  creditsPerMonth: nullable(Type.Integer()),
  callsPerMinute: nullable(Type.Integer()),
}, { title: 'Authorization' })
export const WireConsent = Type.Object({
  id: as(Type.String(), 'cns_8nLd4wEfG5yKtQ0rXc2sVb'),
  ...About,
  createdAt: Moment,
  updatedAt: Moment,
}, { title: 'Consent' })
interface Names { resources: ResourcesById, clients: ReadonlyMap<string, string> }

/** The resources and the names of the clients of records. */
export async function namesFor (
  { store }: Operation<Repositories>, records: readonly (Authorization | Consent)[]
): Promise<Names> {
  const clients = new Map<string, string>()
  for (const id of new Set(records.map(({ clientId }) => clientId))) {
    const client = await store.clients.get(id)
    if (client !== null) clients.set(id, client.name)
  }
  return { resources: await resourcesById(store, records.map(({ resourceId }) => resourceId)), clients }
}

export async function wireAuthorization (operation: Operation<Repositories>, authorization: Authorization) {
  return authorizationAs(authorization, await namesFor(operation, [authorization]), operation.clock())
}

export async function wireConsent (operation: Operation<Repositories>, consent: Consent) {
  return consentAs(consent, await namesFor(operation, [consent]))
}

function aboutAs ({ organizationId, memberId, clientId, ...record }: Authorization | Consent, names: Names) {
  const { resource, scopes } = wireScopes(names.resources, record.resourceId, record.scopes)
  return {
    [revision]: record.revision,
    id: record.id,
    organization: organizationId,
    member: memberId,
    client: clientId,
    clientName: names.clients.get(clientId) ?? null,
    resource,
    scopes: [...record.identityScopes, ...scopes],
    createdAt: record.createdAt,
  }
}

export function authorizationAs (authorization: Authorization, names: Names, now: Date) {
  const { lastUsedAt, expiresAt, endedAt, endedReason } = authorization
  const { callsPerMonth, creditsPerMonth, callsPerMinute } = authorization
  const status = endedAt !== null ? 'ended' as const : expiresAt <= now ? 'expired' as const : 'active' as const
  return {
    ...aboutAs(authorization, names),
    status,
    lastUsedAt,
    expiresAt,
    endedAt,
    endedReason,
    callsPerMonth,
    creditsPerMonth,
    callsPerMinute,
  }
}

export function consentAs (consent: Consent, names: Names) {
  return { ...aboutAs(consent, names), updatedAt: consent.updatedAt }
}

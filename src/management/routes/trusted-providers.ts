/** Identity providers of the deployment, and the organizations that trust them. */
import { Type } from '../../http/typebox-lite.ts'
import { joiningRoles, type TrustedProvider } from '../../domain/people/provider-trust.ts'
import { mappedGroups } from '../../domain/providers/group-mapping.ts'
import {
  distrustProvider, getTrustedProvider, mostRules, trustProvider, updateTrustedProvider
} from '../../domain/providers/trusted-provider.ts'
import { created, ended, type IdentityProviderDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { revision } from '../conventions/etags.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import {
  as, exactly, Id, IdParams, list, Moment, nullable, OrganizationId, Owner, ownPage, pageOf, PageQuerystring, Texts
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['identity-providers:read'] }
const writeAccess = { scopes: ['identity-providers:write'] }

const ProviderId = as(Type.String({ minLength: 1, maxLength: 64 }), 'google')
const Rule = exactly({ value: as(Type.String({ minLength: 1, maxLength: 256 }), 'engineering'), group: Id })
const JoinsAs = Type.Union([Type.Enum([...joiningRoles]), Type.Null()], {
  description: 'The role of people with a verified e-mail in a domain of the organization; null: only the invited.'
})
const GroupsClaim = as(Type.String({
  minLength: 1, maxLength: 128, description: 'The claim, or the path to it, whose values the mapping names.'
}), 'groups')
const trust = {
  joinsAs: Type.Optional(JoinsAs),
  groupsClaim: Type.Optional(GroupsClaim),
  groupMapping: Type.Optional(Type.Array(Rule, { maxItems: mostRules })),
}
const Claims = Type.Object({ claims: as(Type.Record(Type.String(), Type.Unknown()), { groups: ['engineering'] }) })

export const trustedProviderRoutes = routes<IdentityProviderDependencies>(
  listIdentityProvidersRoute, createTrustedProviderRoute, listTrustedProvidersRoute, getTrustedProviderRoute,
  updateTrustedProviderRoute, tryMappingRoute, deleteTrustedProviderRoute
)

function listIdentityProvidersRoute (app: RouteContext, { identityProviders }: IdentityProviderDependencies): void {
  app.get('/identity-providers', {
    config: readAccess,
    schema: {
      summary: 'List the identity providers of the deployment',
      description: 'Those of its configuration. An organization trusts them one by one.',
      response: { 200: Type.Object({ data: list(WireProvider) }) },
    },
  }, async () => ({ data: identityProviders.map(({ id, name, issuer }) => ({ id, name, issuer })) }))
}

function createTrustedProviderRoute (app: RouteContext, dependencies: IdentityProviderDependencies): void {
  const known = dependencies.identityProviders.map(({ id }) => id)
  app.post('/trusted-providers', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active', 'conflict'] },
    schema: {
      summary: 'Trust an identity provider',
      description: 'It may vouch for the members of the organization. Cannot give more than the caller has.',
      body: exactly({ organization: Owner, provider: ProviderId, ...trust }),
      response: { 201: WireTrust },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { organization, ...input } = request.body
    return wireTrust(await trustProvider(operation, known, { ...input, organizationId: organization }))
  }))
}

function listTrustedProvidersRoute (app: RouteContext, dependencies: IdentityProviderDependencies): void {
  app.get('/trusted-providers', {
    config: readAccess,
    schema: {
      summary: 'List trusted providers',
      description: ownPage,
      querystring: exactly({
        ...PageQuerystring, organization: Type.Optional(Id), provider: Type.Optional(ProviderId)
      }),
      response: { 200: pageOf(WireTrust) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const { organization, provider } = request.query
    const filter = { ...organizationFilter(operation, organization), ...definedMembers({ provider }) }
    return wirePage(query, await operation.store.trustedProviders.page(query, filter), wireTrust)
  })
}

function getTrustedProviderRoute (app: RouteContext, dependencies: IdentityProviderDependencies): void {
  app.get('/trusted-providers/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a trusted provider',
      description: 'Includes the mapping of its claims to groups.',
      params: IdParams,
      response: { 200: WireTrust },
    },
  }, async request => wireTrust(await getTrustedProvider(operationOf(dependencies, request), request.params.id)))
}

function updateTrustedProviderRoute (app: RouteContext, dependencies: IdentityProviderDependencies): void {
  app.patch('/trusted-providers/:id', {
    config: writeAccess,
    schema: {
      summary: 'Change what a trusted provider may do',
      description: 'Members get the groups of the new mapping at their next sign-in.',
      params: IdParams,
      body: exactly(trust),
      response: { 200: WireTrust },
    },
  }, async request =>
    wireTrust(await updateTrustedProvider(operationOf(dependencies, request), request.params.id, request.body)))
}

function tryMappingRoute (app: RouteContext, dependencies: IdentityProviderDependencies): void {
  app.post('/trusted-providers/:id/try-mapping', {
    config: { ...readAccess, appends: true },
    schema: {
      summary: 'Try a mapping of groups',
      description: 'A dry run: the groups that these claims would give at a sign-in. Nothing changes.',
      params: IdParams,
      body: Claims,
      response: { 200: WireMapped },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const trusted = await getTrustedProvider(operation, request.params.id)
    const { values, groups, unmapped } = mappedGroups(trusted, request.body.claims)
    const found = await Promise.all(groups.map(id => operation.store.groups.get(id)))
    const present = found.filter(group => group?.organizationId === trusted.organizationId)
    return { values, groups: present.map(group => ({ id: group!.id, name: group!.name })), unmapped }
  })
}

function deleteTrustedProviderRoute (app: RouteContext, dependencies: IdentityProviderDependencies): void {
  app.delete('/trusted-providers/:id', {
    config: { ...writeAccess, failures: ['would_lock_out'] },
    schema: {
      summary: 'Take back the trust in a provider',
      description: 'Ends the sessions that it vouched for, and takes the groups that its mapping gave.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, distrustProvider(
      operationOf(dependencies, request), request.params.id, dependencies.identityProviders
    )))
}

const WireProvider = Type.Object({
  id: ProviderId,
  name: as(Type.String(), 'Google'),
  issuer: as(Type.String(), 'https://accounts.google.com'),
}, { title: 'IdentityProvider' })
const WireTrust = Type.Object({
  id: as(Type.String(), 'trp_8nLd4wEfG5yKtQ0rXc2sVb'),
  organization: OrganizationId,
  provider: ProviderId,
  joinsAs: nullable(Type.Enum([...joiningRoles])),
  groupsClaim: as(Type.String(), 'groups'),
  groupMapping: list(Type.Object({ value: Type.String(), group: Type.String() })),
  createdBy: as(Type.String(), 'admin'),
  createdAt: Moment,
}, { title: 'TrustedProvider' })
const WireMapped = Type.Object({
  values: Texts,
  groups: list(Type.Object({ id: Type.String(), name: Type.String() })),
  unmapped: Texts,
}, { title: 'MappedGroups' })

function wireTrust (
  { id, organizationId, provider, joinsAs, groupsClaim, groupMapping, createdBy, createdAt, revision: shown }:
  TrustedProvider
) {
  return {
    [revision]: shown,
    id,
    organization: organizationId,
    provider,
    joinsAs,
    groupsClaim,
    groupMapping,
    createdBy,
    createdAt
  }
}

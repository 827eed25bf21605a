/** Third-party sources: registries of others, shown as theirs. Their headers are sealed, and never read back. */
import { Type } from '../../http/typebox-lite.ts'
import { documentOf, refreshSource, type Asking } from '../../domain/registries/source-refresh.ts'
import {
  createSource, getSource, removeSource, sourceKinds, updateSource, type ThirdPartySource
} from '../../domain/registries/third-party-source.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import {
  as, exactly, Id, IdParams, Moment, Name, nullable, OrganizationId, Owner, ownPage, pageOf, PageQuerystring, Texts
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['third-party-sources:read'] }
const writeAccess = { scopes: ['third-party-sources:write'] }

export interface SourceDependencies extends CreationDependencies {
  secrets: readonly string[]
  /** How sources are asked. */
  sources: Omit<Asking, 'secrets'>
}

const Kind = Type.Enum([...sourceKinds])
const Url = as(
  Type.String({ minLength: 1, maxLength: 2_048, description: 'An https URL of a public host, asked as it is.' }),
  'https://registry.example.com/v0.1/servers?version=latest'
)
const Headers = as(
  Type.Record(Type.String({ maxLength: 64 }), Type.String({ maxLength: 4_096 }), {
    maxProperties: 10, description: 'Headers of each request. They are sealed: no answer has them.'
  }),
  {}
)
const fetched = {
  askedAt: Moment,
  status: nullable(Type.Integer({ description: 'HTTP status of the answer; null: none came.' })),
  error: nullable(Type.String({ description: 'Why nothing was fetched; null: it was, or is unchanged.' })),
}
const WireSource = Type.Object({
  id: as(Type.String(), 'tps_5kRzQdM2wNbXcVfGtYhJ8L'),
  organization: OrganizationId,
  name: as(Type.String(), 'Official MCP registry'),
  kind: Kind,
  url: as(Type.String(), 'https://registry.example.com/v0.1/servers?version=latest'),
  headerNames: as(Texts, ['authorization']),
  thirdParty: Type.Boolean({ description: 'Always true: nothing of it is granted anything.', examples: [true] }),
  lastFetch: nullable(Type.Object(fetched)),
  fetchedAt: nullable(Moment),
  createdBy: as(Type.String(), 'admin'),
  createdAt: Moment,
}, { title: 'ThirdPartySource' })
const WireDocument = Type.Object({
  source: Type.String(),
  kind: Kind,
  url: Type.String(),
  thirdParty: Type.Boolean({ examples: [true] }),
  fetchedAt: Moment,
  content: Type.Unsafe<unknown>({ description: 'JSON, as the third party sent it.' }),
}, { title: 'ThirdPartyDocument' })

export const thirdPartySourceRoutes = routes<SourceDependencies>(
  createThirdPartySourceRoute, listThirdPartySourcesRoute, getThirdPartySourceRoute, updateThirdPartySourceRoute,
  deleteThirdPartySourceRoute, refreshThirdPartySourceRoute, getThirdPartyContentRoute
)

function createThirdPartySourceRoute (app: RouteContext, dependencies: SourceDependencies): void {
  app.post('/third-party-sources', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active', 'conflict'] },
    schema: {
      summary: 'Add a third-party source',
      description: 'Asks nothing yet: refresh it.',
      body: exactly({ organization: Owner, name: Name, kind: Kind, url: Url, headers: Type.Optional(Headers) }),
      response: { 201: WireSource },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { organization, ...input } = request.body
    return wireSource(await createSource(operation, { ...input, organizationId: organization }, dependencies.secrets))
  }))
}

function listThirdPartySourcesRoute (app: RouteContext, dependencies: SourceDependencies): void {
  app.get('/third-party-sources', {
    config: readAccess,
    schema: {
      summary: 'List third-party sources',
      description: ownPage,
      querystring: exactly({ ...PageQuerystring, organization: Type.Optional(Id), kind: Type.Optional(Kind) }),
      response: { 200: pageOf(WireSource) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const { organization, kind } = request.query
    const filter = { ...organizationFilter(operation, organization), ...definedMembers({ kind }) }
    return wirePage(query, await operation.store.thirdPartySources.page(query, filter), wireSource)
  })
}

function getThirdPartySourceRoute (app: RouteContext, dependencies: SourceDependencies): void {
  app.get('/third-party-sources/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a third-party source',
      description: 'With the state of its last fetch.',
      params: IdParams,
      response: { 200: WireSource },
    },
  }, async request => wireSource(await getSource(operationOf(dependencies, request), request.params.id)))
}

function updateThirdPartySourceRoute (app: RouteContext, dependencies: SourceDependencies): void {
  app.patch('/third-party-sources/:id', {
    config: writeAccess,
    schema: {
      summary: 'Change a third-party source',
      description: 'Another URL, or other headers, forget what was fetched. Headers follow to no other host.',
      params: IdParams,
      body: exactly({ name: Type.Optional(Name), url: Type.Optional(Url), headers: Type.Optional(Headers) }),
      response: { 200: WireSource },
    },
  }, async request => wireSource(await updateSource(
    operationOf(dependencies, request), request.params.id, request.body, dependencies.secrets
  )))
}

function deleteThirdPartySourceRoute (app: RouteContext, dependencies: SourceDependencies): void {
  app.delete('/third-party-sources/:id', {
    config: writeAccess,
    schema: {
      summary: 'Remove a third-party source',
      description: 'With its headers, and what was fetched.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, removeSource(operationOf(dependencies, request), request.params.id)))
}

function refreshThirdPartySourceRoute (app: RouteContext, dependencies: SourceDependencies): void {
  app.post('/third-party-sources/:id/refresh', {
    config: {
      ...writeAccess,
      appends: true,
      failures: ['organization_not_active', 'conflict', 'too_many_requests', 'record_altered']
    },
    schema: {
      summary: 'Ask a third-party source',
      description: 'Only if it has changed, by its ETag. A failure of the source is in `lastFetch`, and status 200.',
      params: IdParams,
      response: { 200: WireSource },
    },
  }, async request => wireSource(await refreshSource(
    operationOf(dependencies, request), request.params.id, { ...dependencies.sources, secrets: dependencies.secrets }
  )))
}

function getThirdPartyContentRoute (app: RouteContext, dependencies: SourceDependencies): void {
  app.get('/third-party-sources/:id/content', {
    config: readAccess,
    schema: {
      operationId: 'getThirdPartyContent',
      summary: 'Read what a third-party source answered last',
      description: 'As it was sent. It is a third party\'s: nothing in it is checked, or granted anything.',
      params: IdParams,
      response: { 200: WireDocument },
    },
  }, async request => {
    const { source, content } = await documentOf(operationOf(dependencies, request), request.params.id)
    const { id, kind, url, fetchedAt } = source
    return { source: id, kind, url, thirdParty: true, fetchedAt: fetchedAt!, content: JSON.parse(content) as unknown }
  })
}

function wireSource (source: ThirdPartySource) {
  const { id, organizationId, name, kind, url, headerNames, askedAt, status, error, fetchedAt, createdBy, createdAt } =
    source
  return {
    [revision]: source.revision,
    id,
    organization: organizationId,
    name,
    kind,
    url,
    headerNames,
    thirdParty: true,
    lastFetch: askedAt === null ? null : { askedAt, status, error },
    fetchedAt,
    createdBy,
    createdAt,
  }
}

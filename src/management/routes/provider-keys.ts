/** Keys of AI providers: set, replaced and removed. Their texts go in, and come out to gateways alone. */
import { Type } from '../../http/typebox-lite.ts'
import {
  createProviderKey, getProviderKey, providerForm, providerKeyForm, removeProviderKey, replaceProviderKey,
  type ProviderKey
} from '../../domain/spending/provider-key.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { revision } from '../conventions/etags.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import {
  as, exactly, Id, IdParams, Moment, nullable, OrganizationId, ownPage, OwnerOrDeployment, pageOf, PageQuerystring
} from '../conventions/schemas.ts'

/** `secrets`: LATCHKEY_SECRET, newest first; the first one seals. */
type Dependencies = CreationDependencies & { secrets: readonly string[] }

const readAccess = { scopes: ['provider-keys:read'] }
const writeAccess = { scopes: ['provider-keys:write'] }

const Provider = as(Type.String({ ...providerForm, description: 'The name of the provider.' }), 'openai')
const Text = as(
  Type.String({ ...providerKeyForm, description: 'The key itself. No answer of this API contains it.' }),
  'sk-0123456789abcdef'
)
const WireKey = Type.Object({
  id: as(Type.String(), 'pvk_8nLd4wEfG5yKtQ0rXc2sVb'),
  organization: Type.Union([OrganizationId, Type.Null()], {
    description: 'Null: the deployment\'s, for organizations without one of their own.'
  }),
  provider: Provider,
  fingerprint: as(
    Type.String({ description: 'The first 16 hex digits of the SHA-256 of the key.' }), '9f86d081884c7d65'
  ),
  hint: as(Type.String({ description: 'The last four characters.' }), '4f2a'),
  createdBy: as(Type.String(), 'admin'),
  createdAt: Moment,
  replacedAt: nullable(Moment),
  lastLeasedAt: nullable(Moment),
}, { title: 'ProviderKey' })

export const providerKeyRoutes = routes<Dependencies>(
  createProviderKeyRoute, listProviderKeysRoute, getProviderKeyRoute, replaceProviderKeyRoute, removeProviderKeyRoute
)

function createProviderKeyRoute (app: RouteContext, dependencies: Dependencies): void {
  app.post('/provider-keys', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active', 'conflict'] },
    schema: {
      summary: 'Set a key of an AI provider',
      description: 'One for each organization and provider. It is sealed, and only a gateway of the deployment gets ' +
        'its text.',
      body: exactly({ organization: OwnerOrDeployment, provider: Provider, key: Text }),
      response: { 201: WireKey },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { organization, provider, key } = request.body
    return wireKey(await createProviderKey(operation, dependencies.secrets, {
      organizationId: organization, provider, text: key
    }))
  }))
}

function listProviderKeysRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/provider-keys', {
    config: readAccess,
    schema: {
      summary: 'List keys of AI providers',
      description: ownPage,
      querystring: exactly({
        ...PageQuerystring, organization: Type.Optional(Id), provider: Type.Optional(Provider)
      }),
      response: { 200: pageOf(WireKey) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const { organization, provider } = request.query
    const filter = { ...organizationFilter(operation, organization), ...definedMembers({ provider }) }
    return wirePage(query, await operation.store.providerKeys.page(query, filter), wireKey)
  })
}

function getProviderKeyRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/provider-keys/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a key of an AI provider',
      description: 'Its fingerprint and last four characters, never the key itself.',
      params: IdParams,
      response: { 200: WireKey },
    },
  }, async request => wireKey(await getProviderKey(operationOf(dependencies, request), request.params.id)))
}

function replaceProviderKeyRoute (app: RouteContext, dependencies: Dependencies): void {
  app.patch('/provider-keys/:id', {
    config: writeAccess,
    schema: {
      summary: 'Replace a key of an AI provider',
      description: 'Gateways use the new one from their next reservation on.',
      params: IdParams,
      body: exactly({ key: Text }),
      response: { 200: WireKey },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return wireKey(await replaceProviderKey(operation, dependencies.secrets, request.params.id, request.body.key))
  })
}

function removeProviderKeyRoute (app: RouteContext, dependencies: Dependencies): void {
  app.delete('/provider-keys/:id', {
    config: writeAccess,
    schema: {
      summary: 'Remove a key of an AI provider',
      description: 'The key is deleted here; revoke it at the provider too.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, removeProviderKey(operationOf(dependencies, request), request.params.id)))
}

function wireKey (key: ProviderKey) {
  const { id, organizationId, provider, fingerprint, hint, createdBy, createdAt, replacedAt, lastLeasedAt } = key
  return {
    [revision]: key.revision,
    id,
    organization: organizationId,
    provider,
    fingerprint,
    hint,
    createdBy,
    createdAt,
    replacedAt,
    lastLeasedAt
  }
}

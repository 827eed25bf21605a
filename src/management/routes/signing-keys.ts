/** Keys that sign access tokens. They belong to the deployment: every route requires a deployment-wide credential. */
import { Type } from '../../http/typebox-lite.ts'
import type { Page, PageQuery } from '../../domain/core/page.ts'
import { noSuchKey } from '../../domain/tokens/signing-key-rotation.ts'
import {
  defaultAlgorithm, signingAlgorithms, signingKeyStates, stateOfSigningKey, type SigningKey, type SigningKeys,
} from '../../domain/tokens/signing-key.ts'
import { created, createdAfter, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { operationOf, requireDeployment } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import { as, exactly, IdParams, Moment, nullable, pageOf, PageQuerystring, Reason } from '../conventions/schemas.ts'

const readAccess = { scopes: ['signing-keys:read'] }
const writeAccess = { scopes: ['signing-keys:write'] }

const State = Type.Enum([...signingKeyStates])
const Algorithm = Type.Enum([...signingAlgorithms])
const KeyQuerystring = exactly({ ...PageQuerystring, state: Type.Optional(State), algorithm: Type.Optional(Algorithm) })
const NewRotation = Type.Union([
  exactly({
    algorithm: Type.Optional(
      Type.With(Algorithm, {
        description: `The algorithm whose signing key is replaced. Default: ${defaultAlgorithm}.`
      })
    ),
    now: Type.Optional(
      Type.Boolean({
        description:
          'For emergencies: sign with the new key at once, before verifiers outside of this deployment know its ' +
            'public half.'
      })
    )
  }),
  Type.Null()
])
const WireKey = Type.Object({
  id: as(
    Type.String({ description: 'Its `kid`: the thumbprint by RFC 7638.' }),
    'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'
  ),
  algorithm: Algorithm,
  state: State,
  publicJwk: Type.Unsafe<SigningKey['publicJwk']>(Type.Object({}, { additionalProperties: true })),
  createdAt: Moment,
  activatedAt: Type.With(Moment, { description: 'When it starts to sign; may be in the future.' }),
  retiredAt: nullable(Moment),
  publishedUntil: Type.With(nullable(Moment), { description: 'When the last token that it signed expires.' }),
  revokedAt: Type.With(nullable(Moment), {
    description: 'Since then it is not published, and its tokens are refused.'
  }),
  revokedReason: nullable(Type.String())
}, { title: 'SigningKey' })

interface Dependencies extends CreationDependencies { signingKeys: SigningKeys }

export const signingKeyRoutes = routes<Dependencies>(
  listSigningKeysRoute, getSigningKeyRoute, rotateSigningKeyRoute, revokeSigningKeyRoute
)

function listSigningKeysRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/signing-keys', {
    config: readAccess,
    schema: {
      summary: 'List signing keys',
      description:
        'A page, newest first, including retired and revoked keys. Requires a deployment-wide credential.',
      querystring: KeyQuerystring,
      response: { 200: pageOf(WireKey) },
    },
  }, async request => {
    requireDeployment(operationOf(dependencies, request), 'Reading the signing keys')
    const query = pageQuery(request.query)
    const now = dependencies.clock()
    const { state, algorithm } = request.query
    const keys = (await dependencies.store.signingKeys.all()).map(key => wireKey(key, now))
      .filter(key =>
        (state === undefined || key.state === state) && (algorithm === undefined || key.algorithm === algorithm)
      )
    return wirePage(query, pageIn(keys, query), key => key)
  })
}

function getSigningKeyRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/signing-keys/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a signing key',
      description: 'Its public half. Requires a deployment-wide credential.',
      params: IdParams,
      response: { 200: WireKey },
    },
  }, async request => {
    requireDeployment(operationOf(dependencies, request), 'Reading the signing keys')
    const { id } = request.params
    const key = (await dependencies.store.signingKeys.all()).find(({ kid }) => kid === id)
    if (key === undefined) throw noSuchKey(id)
    return wireKey(key, dependencies.clock())
  })
}

function rotateSigningKeyRoute (app: RouteContext, dependencies: Dependencies): void {
  app.post('/signing-keys/rotate', {
    config: { ...writeAccess, failures: ['conflict'] },
    schema: {
      summary: 'Rotate the signing key',
      description:
        'The previous key stays published until its last token expires. Requires a deployment-wide credential.',
      body: NewRotation,
      response: { 201: WireKey },
    },
  }, async (request, reply) => {
    requireDeployment(operationOf(dependencies, request), 'Rotating the signing keys')
    const { now, algorithm } = request.body ?? {}
    if (now !== true) {
      return await created(dependencies, request, reply, async operation =>
        wireKey(await dependencies.signingKeys.rotate(operation, algorithm), dependencies.clock()))
    }
    return await createdAfter(
      dependencies,
      request,
      reply,
      async operation => await dependencies.signingKeys.publishNext(operation, algorithm),
      async (operation, { kid }) =>
        wireKey(await dependencies.signingKeys.signAtOnce(operation, kid), dependencies.clock())
    )
  })
}

function revokeSigningKeyRoute (app: RouteContext, dependencies: Dependencies): void {
  app.post('/signing-keys/:id/revoke', {
    config: writeAccess,
    schema: {
      summary: 'Revoke a signing key',
      description:
        'For emergencies: refuses every token that it signed. If it is the active key, another key becomes active ' +
          'first.',
      params: IdParams,
      body: Reason,
      response: { 200: WireKey },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    requireDeployment(operation, 'Revoking a signing key')
    return wireKey(
      await dependencies.signingKeys.revoke(operation, request.params.id, request.body?.reason ?? null),
      dependencies.clock()
    )
  })
}

/** A page of rows in memory: a deployment has few signing keys. */
function pageIn<T extends { createdAt: Date, id: string }> (rows: readonly T[], { limit, after }: PageQuery): Page<T> {
  const isBehind = (one: { createdAt: Date, id: string }, other: { createdAt: Date, id: string }) =>
    one.createdAt < other.createdAt || (one.createdAt.getTime() === other.createdAt.getTime() && one.id < other.id)
  const rest = rows.toSorted((one, other) => isBehind(one, other) ? 1 : -1).filter(row =>
    after === null || isBehind(row, after)
  )
  return { items: rest.slice(0, limit), hasMore: rest.length > limit }
}

function wireKey (key: SigningKey, now: Date) {
  const { kid, algorithm, publicJwk, createdAt, activatedAt, retiredAt, publishedUntil, revokedAt, revokedReason } = key
  return {
    [revision]: key.revision,
    id: kid,
    algorithm,
    state: stateOfSigningKey(key, now),
    publicJwk,
    createdAt,
    activatedAt,
    retiredAt,
    publishedUntil,
    revokedAt,
    revokedReason,
  }
}

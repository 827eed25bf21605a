import type { Resource, ResourceRepository } from '../domain/resource.ts'
import type { Scope } from '../domain/scope.ts'
import type { Style } from '../domain/style.ts'
import type { Note } from './changes.ts'
import type { Prisma, Queries } from './prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, revokedAs, toPage } from './rows.ts'

const whole = { scopes: { orderBy: { position: 'asc' } } } satisfies Prisma.ResourceInclude

export function resourceRepository ({ resource: table }: Queries, note: Note): ResourceRepository {
  return {
    async insert ({ scopes, ...resource }) {
      await table.create({ data: { ...columns(resource), scopes: { create: inOrder(scopes) } } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id }, include: whole })
      return row && read(row)
    },
    async byIdentifier (identifier) {
      const row = await table.findUnique({ where: { identifier }, include: whole })
      return row && read(row)
    },
    async update (after) {
      const { id, createdAt: _, scopes, ...resource } = after
      const { revision } = await table.update({
        where: { id }, data: { ...columns(resource), ...nextRevision, scopes: { deleteMany: {}, create: inOrder(scopes) } }, select: revisionAlone,
      })
      note({ of: 'resources' })
      return { ...after, revision }
    },
    async revokeAll (organizationId, revokedAt) {
      await table.updateMany({ where: { organizationId, revokedAt: null }, data: { revokedAt, ...nextRevision } })
      note({ of: 'resources' })
    },
    async longestTokenLifetime () {
      return (await table.aggregate({ _max: { tokenLifetime: true } }))._max.tokenLifetime ?? 0
    },
    async page (query, { visibleTo, revoked, ...exactly }) {
      const { where, ...page } = pageOf(query)
      const visible = visibleTo === undefined ? {} : { OR: [{ organizationId: visibleTo }, { organizationId: null }] }
      return toPage(await table.findMany({ ...page, where: { AND: [where, visible, exactly, revokedAs(revoked)] }, include: whole }), query, read)
    },
  }
}

/** What stands in the resource's own row. */
function columns<T extends Pick<Resource, 'style' | 'defaultScopes'>> (resource: T) {
  return { ...resource, style: json(resource.style), defaultScopes: json(resource.defaultScopes) }
}

function inOrder (scopes: readonly Scope[]) {
  return scopes.map(({ name, keyOnly, description }, position) => ({ name, keyOnly, description, position }))
}

function read ({ scopes, style, ...row }: Prisma.ResourceGetPayload<{ include: typeof whole }>): Resource {
  return {
    ...row,
    kind: row.kind as Resource['kind'],
    defaultScopes: row.defaultScopes as string[],
    style: style as unknown as Style,
    scopes: scopes.map(({ name, keyOnly, description }) => ({ name, keyOnly, description })),
  }
}

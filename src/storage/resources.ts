import type { Resource, ResourceRepository } from '../domain/resource.ts'
import type { Scope } from '../domain/scope.ts'
import type { Style } from '../domain/style.ts'
import type { Note } from './changes.ts'
import type { Prisma, Queries } from './prisma.ts'
import { json, pageOf, toPage } from './rows.ts'

const whole = { scopes: { orderBy: { position: 'asc' } } } satisfies Prisma.ResourceInclude

export function resourceRepository ({ resource: table }: Queries, note: Note): ResourceRepository {
  return {
    async insert ({ scopes, style, ...resource }) {
      await table.create({ data: { ...resource, style: json(style), scopes: { create: inOrder(scopes) } } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id }, include: whole })
      return row && read(row)
    },
    async byIdentifier (identifier) {
      const row = await table.findUnique({ where: { identifier }, include: whole })
      return row && read(row)
    },
    async update ({ id, createdAt: _, scopes, style, ...resource }) {
      await table.update({
        where: { id },
        data: { ...resource, style: json(style), scopes: { deleteMany: {}, create: inOrder(scopes) } },
      })
      note({ of: 'resources' })
    },
    async page (query, { visibleTo }) {
      const { where, ...page } = pageOf(query)
      const visible = visibleTo === undefined ? {} : { OR: [{ organizationId: visibleTo }, { organizationId: null }] }
      return toPage(await table.findMany({ ...page, where: { AND: [where, visible] }, include: whole }), query, read)
    },
  }
}

function inOrder (scopes: readonly Scope[]) {
  return scopes.map(({ name, keyOnly, description }, position) => ({ name, keyOnly, description, position }))
}

function read ({ scopes, style, ...row }: Prisma.ResourceGetPayload<{ include: typeof whole }>): Resource {
  return {
    ...row,
    style: style as unknown as Style,
    scopes: scopes.map(({ name, keyOnly, description }) => ({ name, keyOnly, description })),
  }
}

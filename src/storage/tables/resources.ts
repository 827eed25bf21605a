/** Resources, with their present and retired scopes. */
import { sqltag as sql } from '@prisma/client/runtime/client'
import type { Resource, ResourceFilter, ResourceRepository } from '../../domain/resources/resource.ts'
import { normalIdentifier } from '../../domain/resources/resource-identifier.ts'
import type { Scope } from '../../domain/resources/scope.ts'
import type { Style } from '../../domain/resources/style.ts'
import type { ChangeReport } from '../cache/changes.ts'
import { orNull, prismaColumns, type Columns } from '../rows/columns.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, revisionAlone, type Row } from '../rows/rows.ts'
import { equal, happened, listedRecords, narrowedBy, type Narrowing } from '../rows/sorted-page.ts'

const whole = { scopes: { orderBy: { position: 'asc' } } } satisfies Prisma.ResourceInclude

export function resourceRepository (queries: Queries, note: ChangeReport): ResourceRepository {
  const { resource: table, retiredScope } = queries
  return {
    async insert ({ scopes, ...resource }) {
      await table.create({ data: { ...ownColumns(resource), scopes: { create: inOrder(scopes) } } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id }, include: whole })
      return row && read(row)
    },
    async byIdentifier (identifier) {
      const row = await table.findUnique({ where: { normalIdentifier: normalIdentifier(identifier) }, include: whole })
      return row && read(row)
    },
    async withoutNormalForm (after, take) {
      const where = { normalIdentifier: null, id: { gt: after } }
      return (await table.findMany({ where, orderBy: { id: 'asc' }, take, include: whole })).map(read)
    },
    async normalize ({ id, identifier }) {
      await table.update({
        where: { id }, data: { normalIdentifier: normalIdentifier(identifier) }, select: revisionAlone
      })
      note({ of: 'resources' })
    },
    async update (after) {
      const { id, createdAt: _, scopes, ...resource } = after
      const { revision } = await table.update({
        where: { id },
        data: { ...ownColumns(resource), ...nextRevision, scopes: { deleteMany: {}, create: inOrder(scopes) } },
        select: revisionAlone
      })
      note({ of: 'resources', organizationId: after.organizationId })
      return { ...after, revision }
    },
    async retiredScopes (resourceId, names) {
      const rows = await retiredScope.findMany({ where: { resourceId, name: { in: [...names] } } })
      return rows.map(row => readScope({ ...row, description: null }, prismaColumns))
    },
    async retireScopes (resourceId, scopes) {
      await retiredScope.deleteMany({ where: { resourceId, name: { in: scopes.map(({ name }) => name) } } })
      await retiredScope.createMany(
        { data: scopes.map(({ name, keyOnly, reference = null }) => ({ resourceId, name, keyOnly, reference })) }
      )
    },
    async inheritRetiredScopes (from, to) {
      await queries.$executeRaw`
        INSERT INTO "RetiredScope" ("resourceId", "name", "keyOnly", "reference")
        SELECT ${to}, "name", "keyOnly", "reference" FROM "RetiredScope" WHERE "resourceId" = ${from} AND "keyOnly"
        ON CONFLICT DO NOTHING`
    },
    async revokeAll (organizationId, revokedAt) {
      await table.updateMany({ where: { organizationId, revokedAt: null }, data: { revokedAt, ...nextRevision } })
      note({ of: 'resources', organizationId })
    },
    async usesAlgorithm (signingAlgorithm) {
      return await table.findFirst({ where: { signingAlgorithm, revokedAt: null }, select: { id: true } }) !== null
    },
    async longestTokenLifetime () {
      return (await table.aggregate({ _max: { tokenLifetime: true } }))._max.tokenLifetime ?? 0
    },
    page: async (query, filter) => await listedRecords(queries, 'Resource', narrowingOf(filter), query, async ids =>
      (await table.findMany({ where: { id: { in: ids } }, include: whole })).map(read))
  }
}

function narrowingOf ({ visibleTo, revoked, identifier, name, kind, ...sought }: ResourceFilter): Narrowing {
  const normal = identifier === undefined ? undefined : normalIdentifier(identifier)
  return narrowedBy(sought, ['name', 'identifier'], {
    within: [
      ...equal({ normalIdentifier: normal }),
      ...(visibleTo === undefined ? [] : [sql`("organizationId" = ${visibleTo} OR "organizationId" IS NULL)`])
    ],
    among: [...equal({ name, kind }), ...happened('revokedAt', revoked)]
  })
}

/** The columns of the resource's own row. */
function ownColumns<T extends Pick<Resource, 'identifier' | 'style' | 'defaultScopes'>> (resource: T) {
  return {
    ...resource,
    normalIdentifier: normalIdentifier(resource.identifier),
    style: json(resource.style),
    defaultScopes: json(resource.defaultScopes)
  }
}

function inOrder (scopes: readonly Scope[]) {
  return scopes.map(({ name, keyOnly, description, reference = null }, position) => ({
    name, keyOnly, description, reference, position
  }))
}

/** Reads each column once; `row.scopes` are rows, in their order. */
export function readResource (row: Row, columns: Columns): Resource {
  const { text, json, instant } = columns
  return {
    id: text(row.id),
    identifier: text(row.identifier),
    name: text(row.name),
    organizationId: orNull(text, row.organizationId),
    scopes: (row.scopes as Row[]).map(scope => readScope(scope, columns)),
    style: json(row.style) as Style,
    tokenLifetime: row.tokenLifetime as number,
    signingAlgorithm: text(row.signingAlgorithm) as Resource['signingAlgorithm'],
    kind: text(row.kind) as Resource['kind'],
    defaultScopes: json(row.defaultScopes) as string[],
    mostCredits: row.mostCredits as number,
    title: orNull(text, row.title),
    description: orNull(text, row.description),
    version: text(row.version),
    createdAt: instant(row.createdAt),
    revokedAt: orNull(instant, row.revokedAt),
    revision: row.revision as number,
  }
}

function readScope (row: Row, { text, flag }: Columns): Scope {
  const reference = orNull(text, row.reference)
  return {
    name: text(row.name),
    keyOnly: flag(row.keyOnly),
    description: orNull(text, row.description),
    ...(reference === null ? {} : { reference }),
  }
}

function read (row: Row): Resource {
  return readResource(row, prismaColumns)
}

/** OAuth clients, with their secrets and grants. */
import { sqltag as sql, type Sql } from '@prisma/client/runtime/client'
import { idTokenAlgorithmOf } from '../../domain/credentials/client.ts'
import type {
  AssertionProfile, Client, ClientFilter, ClientGrant, ClientMetadata, ClientRepository, ClientSecret, ClientStatus
} from '../../domain/credentials/client.ts'
import type { ChangeReport } from '../cache/changes.ts'
import { orNull, prismaColumns, type Columns } from '../rows/columns.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, revisionAlone, touch, type Row } from '../rows/rows.ts'
import { equal, listedRecords, narrowedBy, type Narrowing } from '../rows/sorted-page.ts'

const whole = {
  secrets: { orderBy: { position: 'asc' } },
  grants: { orderBy: { position: 'asc' } },
} satisfies Prisma.ClientInclude

export function clientRepository (queries: Queries, note: ChangeReport): ClientRepository {
  const { client: table } = queries
  const several: ClientRepository['several'] = async ids =>
    (await table.findMany({ where: { id: { in: [...ids] } }, include: whole })).map(read)
  return {
    async insert ({ secrets, grants, ...client }) {
      await table.create({
        data: {
          ...columns(client), secrets: { create: secretsInOrder(secrets) }, grants: { create: grantsInOrder(grants) }
        }
      })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id }, include: whole })
      return row && read(row)
    },
    several,
    async byRegistrationAccessDigest (registrationAccessDigest) {
      const row = await table.findUnique({ where: { registrationAccessDigest }, include: whole })
      return row && read(row)
    },
    async update (after) {
      const { id, createdAt: _, secrets, grants, ...client } = after
      const { revision } = await table.update({
        where: { id },
        data: {
          ...columns(client),
          ...nextRevision,
          secrets: { deleteMany: {}, create: secretsInOrder(secrets) },
          grants: { deleteMany: {}, create: grantsInOrder(grants) },
        },
        select: revisionAlone,
      })
      note({ of: 'client', id })
      return { ...after, revision }
    },
    async raiseGenerations ({ resourceId }) {
      await table.updateMany({
        where: { grants: { some: { resourceId } } }, data: { generation: { increment: 1 }, ...nextRevision }
      })
      note({ of: 'clients' })
    },
    touch: usage => touch(queries, 'Client', usage),
    async use (id, at) {
      const { count } = await table.updateMany({ where: { id }, data: { lastUsedAt: at } })
      if (count > 0) note({ of: 'client', id })
      return count > 0
    },
    async usesIdTokens (idTokenAlgorithm) {
      return await table.findFirst({ where: { idTokenAlgorithm, revokedAt: null }, select: { id: true } }) !== null
    },
    async idle (createdBefore, limit) {
      const rows = await table.findMany({
        where: { origin: 'registered', lastUsedAt: null, revision: 1, createdAt: { lt: createdBefore } },
        orderBy: { createdAt: 'asc' },
        take: limit,
        include: whole,
      })
      return rows.map(read)
    },
    async remove (id) {
      await table.delete({ where: { id } })
      note({ of: 'client', id })
    },
    page: async (query, filter) => await listedRecords(queries, 'Client', narrowingOf(filter), query, several),
  }
}

function narrowingOf (
  { status, resourceId, name, origin, creatorId, externalId, ...sought }: ClientFilter
): Narrowing {
  return narrowedBy(sought, ['name', 'id'], {
    within: equal({ creatorId, externalId }),
    among: [
      ...equal({ name, origin }),
      ...(status === undefined ? [] : [withStatus(status)]),
      ...(resourceId === undefined
        ? []
        : [sql`EXISTS (
            SELECT 1 FROM "ClientGrant" WHERE "clientId" = "Client"."id" AND "resourceId" = ${resourceId})`]),
    ]
  })
}

/** `statusOfClient` as a condition. */
function withStatus (status: ClientStatus): Sql {
  switch (status) {
    case 'revoked': return sql`"revokedAt" IS NOT NULL`
    case 'disabled': return sql`"revokedAt" IS NULL AND "disabledAt" IS NOT NULL`
    case 'active': return sql`"revokedAt" IS NULL AND "disabledAt" IS NULL`
  }
}

/** The columns of the client's own row. */
function columns<T extends Pick<Client, 'metadata' | 'annotations' | 'allowlist' | 'introspects'>> (client: T) {
  const { metadata, annotations, allowlist, introspects } = client
  return {
    ...client,
    metadata: json(metadata),
    annotations: json(annotations),
    idTokenAlgorithm: idTokenAlgorithmOf(client),
    allowlist: json(allowlist),
    introspects: json(introspects)
  }
}

function secretsInOrder (secrets: readonly ClientSecret[]) {
  return secrets.map(({ id, digest, hint, createdAt, expiresAt }, position) => ({
    id, digest, hint, createdAt, expiresAt, position
  }))
}

function grantsInOrder (grants: readonly ClientGrant[]) {
  return grants.map(({ resourceId, scopes }, position) => ({ resourceId, scopes: json(scopes), position }))
}

/** Reads each column once; `row.secrets` and `row.grants` are rows, in their order. */
export function readClient (row: Row, columns: Columns): Client {
  const { text, common, json, instant, flag } = columns
  return {
    id: text(row.id),
    organizationId: orNull(common, row.organizationId),
    name: text(row.name),
    origin: common(row.origin) as Client['origin'],
    metadata: json(row.metadata) as ClientMetadata,
    secrets: (row.secrets as Row[]).map(secret => readSecret(secret, columns)),
    grants: (row.grants as Row[]).map(grant => ({
      resourceId: common(grant.resourceId), scopes: json(grant.scopes) as string[]
    })),
    allowlist: json(row.allowlist) as string[],
    introspects: json(row.introspects) as string[],
    assertionProfile: common(row.assertionProfile) as AssertionProfile,
    pkceRequired: flag(row.pkceRequired),
    generation: row.generation as number,
    registrationAccessDigest: orNull(text, row.registrationAccessDigest),
    registrationTokenId: orNull(common, row.registrationTokenId),
    creatorId: orNull(common, row.creatorId),
    createdAt: instant(row.createdAt),
    lastUsedAt: orNull(instant, row.lastUsedAt),
    revokedAt: orNull(instant, row.revokedAt),
    revokedReason: orNull(text, row.revokedReason),
    disabledAt: orNull(instant, row.disabledAt),
    disabledReason: orNull(text, row.disabledReason),
    annotations: json(row.annotations) as Client['annotations'],
    externalId: orNull(text, row.externalId),
    revision: row.revision as number,
  }
}

function readSecret (row: Row, { text, instant }: Columns): ClientSecret {
  return {
    id: text(row.id),
    digest: text(row.digest),
    hint: text(row.hint),
    createdAt: instant(row.createdAt),
    expiresAt: orNull(instant, row.expiresAt)
  }
}

function read (row: Row): Client {
  return readClient(row, prismaColumns)
}

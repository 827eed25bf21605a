/** What members have allowed clients. */
import { mostCounted, totalOf } from '../../domain/core/list.ts'
import {
  mostNamed, type Authorization, type AuthorizationEnd, type AuthorizationFilter, type AuthorizationRepository
} from '../../domain/authorizations/authorization.ts'
import type { ChangeReport } from '../cache/changes.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { orNull, prismaColumns, type Columns } from '../rows/columns.ts'
import { conditionsOf } from '../rows/authorization-set.ts'
import { json, newestFirst, nextRevision, pageOf, toPage, touch, type Row } from '../rows/rows.ts'

export function authorizationRepository (queries: Queries, note: ChangeReport): AuthorizationRepository {
  const { authorization: table } = queries
  const noteAll = (changed: readonly { id: string }[] | null) => {
    const isNamed = changed !== null && changed.length <= mostNamed
    note({ of: 'authorizations', ...(isNamed && { ids: changed.map(({ id }) => id) }) })
  }
  return {
    async insert (authorization) {
      const { scopes, identityScopes } = authorization
      await table.create({ data: { ...authorization, scopes: json(scopes), identityScopes: json(identityScopes) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && readAuthorization(row, prismaColumns)
    },
    async limit ({ id, chainId, memberId, clientId, resourceId, callsPerMonth, creditsPerMonth, callsPerMinute }) {
      const chain = { memberId, clientId, resourceId, OR: [{ chainId }, { id: chainId }] }
      const working = await table.findMany({ where: { ...chain, endedAt: null }, select: { id: true } })
      // Also those that have ended: the next one continues the last.
      const data = { callsPerMonth, creditsPerMonth, callsPerMinute, ...nextRevision }
      await table.updateMany({ where: chain, data })
      noteAll(working)
      return readAuthorization(await table.findUniqueOrThrow({ where: { id } }), prismaColumns)
    },
    async end (id, endedAt, endedReason) {
      const data = { endedAt, endedReason, ...nextRevision }
      const { count } = await table.updateMany({ where: { id, endedAt: null }, data })
      // Also where another change has ended it: what is reported twice does no harm.
      note({ of: 'authorization', id })
      return count === 1
    },
    async endAll (set, endedAt, endedReason) {
      const where = { AND: [conditionsOf(set), { endedAt: null }] }
      const named = await table.findMany({ where, orderBy: newestFirst, take: mostNamed })
      const { count } = await table.updateMany({ where, data: { endedAt, endedReason, ...nextRevision } })
      if (count > 0) noteAll(count > mostNamed ? null : named)
      return { count, named: named.map(row => readAuthorization(row, prismaColumns)) }
    },
    async redeem (id, redeemedAt) {
      const where = { id, endedAt: null, redeemedAt: null }
      return (await table.updateMany({ where, data: { redeemedAt, lastUsedAt: redeemedAt } })).count === 1
    },
    async newest ({ memberId, clientId, resourceId }) {
      const row = await table.findFirst({ where: { memberId, clientId, resourceId }, orderBy: newestFirst })
      return row && readAuthorization(row, prismaColumns)
    },
    nth: ({ memberId, clientId, resourceId }, n) => table.findFirst({
      where: { memberId, clientId, resourceId, endedAt: null },
      orderBy: newestFirst,
      skip: n - 1,
      select: { id: true, createdAt: true },
    }),
    touch: usage => touch(queries, 'Authorization', usage),
    async prune ({ expired, waiting }, limit) {
      const where = { OR: [{ expiresAt: { lt: expired } }, { redeemedAt: null, createdAt: { lt: waiting } }] }
      return (await table.deleteMany({ where, limit })).count
    },
    async page (query, filter) {
      const { where, ...page } = pageOf(query)
      const matching = { AND: [where, matchingOf(filter)] }
      return toPage(
        await table.findMany({ ...page, where: matching }), query, row => readAuthorization(row, prismaColumns)
      )
    },
    count: async filter => totalOf(await table.count({ where: matchingOf(filter), take: mostCounted + 1 })),
  }
}

function matchingOf ({ over, ended, redeemed, ...exactly }: AuthorizationFilter): Prisma.AuthorizationWhereInput {
  return {
    AND: [exactly, over === undefined ? {} : whetherOver(over), whetherEnded(ended), whetherRedeemed(redeemed)]
  }
}

function whetherEnded (ended: boolean | undefined): Prisma.AuthorizationWhereInput {
  return ended === undefined ? {} : { endedAt: ended ? { not: null } : null }
}

function whetherOver ({ is, at }: NonNullable<AuthorizationFilter['over']>): Prisma.AuthorizationWhereInput {
  return is
    ? { OR: [{ endedAt: { not: null } }, { expiresAt: { lte: at } }] }
    : { endedAt: null, expiresAt: { gt: at } }
}

function whetherRedeemed (redeemed: boolean | undefined): Prisma.AuthorizationWhereInput {
  return redeemed === undefined ? {} : { redeemedAt: redeemed ? { not: null } : null }
}

export function readAuthorization (row: Row, { text, common, json, instant, flag }: Columns): Authorization {
  return {
    id: text(row.id),
    organizationId: common(row.organizationId),
    memberId: common(row.memberId),
    clientId: common(row.clientId),
    resourceId: common(row.resourceId),
    // An earlier version writes none.
    chainId: text(row.chainId ?? row.id),
    scopes: json(row.scopes) as string[],
    identityScopes: json(row.identityScopes) as string[],
    refreshable: flag(row.refreshable),
    createdAt: instant(row.createdAt),
    redeemedAt: orNull(instant, row.redeemedAt),
    lastUsedAt: orNull(instant, row.lastUsedAt),
    expiresAt: instant(row.expiresAt),
    endedAt: orNull(instant, row.endedAt),
    endedReason: orNull(text, row.endedReason) as AuthorizationEnd | null,
    callsPerMonth: row.callsPerMonth as number | null,
    creditsPerMonth: row.creditsPerMonth as number | null,
    callsPerMinute: row.callsPerMinute as number | null,
    revision: row.revision as number,
  }
}

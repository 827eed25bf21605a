/** What all rows have in common on their way in and out. */
import type { Page, PageQuery } from '../domain/page.ts'
import type { Prisma } from './prisma.ts'

/** A row as it was read, by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>

/** A value of the domain for a column of JSON. Dates have no place in one. */
export function json (value: unknown): Prisma.InputJsonValue {
  return value as Prisma.InputJsonValue
}

/** The order and the bounds of a page: newest first, and one row more than asked for, which tells whether more follow. */
export function pageOf ({ limit, after }: PageQuery) {
  return {
    take: limit + 1,
    orderBy: [{ createdAt: 'desc' as const }, { id: 'desc' as const }],
    // The first condition says nothing that the second does not, but an index serves it.
    where: after === null
      ? {}
      : { createdAt: { lte: after.createdAt }, OR: [{ createdAt: { lt: after.createdAt } }, { id: { lt: after.id } }] },
  }
}

/** A condition on whether a row was ended; undefined: both pass. */
export function revokedAs (revoked: boolean | undefined) {
  return revoked === undefined ? {} : { revokedAt: revoked ? { not: null } : null }
}

/** What an update sets besides: the row's revision is one more, whatever it was when somebody read it. */
export const nextRevision = { revision: { increment: 1 } } as const

/** What an update answers. */
export const revisionAlone = { revision: true } as const

/** A page of what `pageOf` found. */
export function toPage<Row, T> (rows: Row[], { limit }: PageQuery, read: (row: Row) => T): Page<T> {
  return { items: rows.slice(0, limit).map(read), hasMore: rows.length > limit }
}

/**
 * Ids by the second of their last use: an instant that need not be exact costs one statement for each second that was in
 * use, not one for each id. At most 500 ids in each.
 */
export function bySecond (usage: ReadonlyMap<string, Date>): { at: Date, ids: string[] }[] {
  const seconds = new Map<number, string[]>()
  for (const [id, instant] of usage) {
    const second = Math.floor(instant.getTime() / 1000) * 1000
    const ids = seconds.get(second) ?? []
    seconds.set(second, ids)
    ids.push(id)
  }
  return [...seconds].flatMap(([second, ids]) => inChunks(ids).map(chunk => ({ at: new Date(second), ids: chunk })))
}

function inChunks (ids: string[]): string[][] {
  return Array.from({ length: Math.ceil(ids.length / 500) }, (_, i) => ids.slice(i * 500, (i + 1) * 500))
}

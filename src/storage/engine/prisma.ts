/**
 * The two generated clients under one type. Their types differ in what the databases differ in; SQLite's is the
 * narrower, so what is written against it runs on both. The casts are here and nowhere else.
 */
import { DbNull } from '@prisma/client/runtime/client'
import type { SqlDriverAdapter, SqlDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { Prisma, PrismaClient } from '../generated/sqlite/client.ts'

export type { Prisma, PrismaClient }

/** What a column of JSON is set to so that it holds NULL. */
export { DbNull }

/** What may run queries: the client itself, or the one of a transaction. */
export type Queries = Prisma.TransactionClient

/** The databases there are; also the names of the folders below prisma/. */
export type Provider = 'sqlite' | 'postgresql'

/** A client for `provider` on `connected`, which it disposes of when it disconnects. */
export async function newPrismaClient (provider: Provider, connected: SqlDriverAdapter): Promise<PrismaClient> {
  const adapter: SqlDriverAdapterFactory = {
    provider: connected.provider, adapterName: connected.adapterName, connect: async () => connected
  }
  if (provider === 'sqlite') {
    const generated = await import('../generated/sqlite/client.ts')
    return new generated.PrismaClient({ adapter, errorFormat: 'minimal' })
  }
  const generated = await import('../generated/postgresql/client.ts')
  return new generated.PrismaClient({ adapter, errorFormat: 'minimal' }) as unknown as PrismaClient
}

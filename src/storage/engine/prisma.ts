/**
 * The two generated clients under one type, loaded on first use. Their types differ where the databases differ;
 * SQLite's is the narrower, so code that is written against it runs on both. The casts are in this file only.
 */
import { DbNull } from '@prisma/client/runtime/client'
import type { SqlDriverAdapter, SqlDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import { Failure } from '../../base/errors.ts'
import type { Prisma, PrismaClient } from '../generated/sqlite/client.ts'
import { closedFailure } from './failures.ts'

export type { Prisma, PrismaClient }

/** Sets a JSON column to NULL. */
export { DbNull }

/** Runs queries: the client itself, or that of a transaction. */
export type Queries = Prisma.TransactionClient

/** The supported databases; also the names of the folders below prisma/. */
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

/**
 * A client that the first query loads: Prisma takes a fifth of a second and some thirty megabytes, and a start on an
 * up-to-date database only reads. After a failed load the next query tries again.
 */
export function lazyPrismaClient (load: () => Promise<PrismaClient>, isClosed: () => boolean): PrismaClient {
  let loading: Promise<PrismaClient> | null = null
  const loaded = async (): Promise<PrismaClient> => {
    if (isClosed()) throw closedFailure()
    loading ??= load().catch(error => {
      loading = null
      throw new Failure('storage_unavailable', {
        detail: `the database client cannot be loaded (${(error as Error).message})`, cause: error
      })
    })
    return await loading
  }
  type Calls = Record<string, (...args: unknown[]) => Promise<unknown>>
  const model = (name: string) =>
    new Proxy({}, {
      get: (_, operation: string) => async (...args: unknown[]) =>
        await (await loaded() as unknown as Record<string, Calls>)[name]![operation]!(...args)
    })
  return new Proxy({}, {
    get: (_, name: string) =>
      name.startsWith('$')
        ? async (...args: unknown[]) => await (await loaded() as unknown as Calls)[name]!(...args)
        : model(name)
  }) as PrismaClient
}

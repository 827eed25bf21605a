/** Prisma's schema engine, compiled to WebAssembly: it plans and applies migrations over our own connections. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import {
  bindMigrationAwareSqlAdapterFactory, type SqlMigrationAwareDriverAdapterFactory
} from '@prisma/driver-adapter-utils'
import type { SchemaEngine } from '@prisma/schema-engine-wasm'

export type { SchemaEngine }
export type { MigrationList } from '@prisma/schema-engine-wasm'

type Glue = typeof import('@prisma/schema-engine-wasm') & { __wbg_set_wasm (exports: object): void }

// The types for WebAssembly come only with those of browsers.
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array, imports: Record<string, object>
  ): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>
}

let loaded: Promise<Glue> | undefined

/**
 * Runs `work` with an engine over `adapter`. `datamodel`: the schema to plan migrations for. Rethrows the driver's own
 * error, which the engine replaces by a number.
 */
export async function withSchemaEngine<T> (
  adapter: SqlMigrationAwareDriverAdapterFactory, work: (engine: SchemaEngine) => Promise<T>, datamodel?: string
): Promise<T> {
  loaded ??= load()
  const { SchemaEngine } = await loaded
  const bound = bindMigrationAwareSqlAdapterFactory(adapter)
  const datamodels: [string, string][] | undefined = datamodel === undefined
    ? undefined
    : [['schema.prisma', datamodel]]
  try {
    const engine = await SchemaEngine.new({ datamodels }, () => {}, bound)
    try {
      return await work(engine)
    } finally {
      engine.free()
    }
  } catch (error) {
    const id = /External error id#(\d+)/.exec(error instanceof Error ? error.message : String(error))?.[1]
    throw (id === undefined ? undefined : bound.errorRegistry.consumeError(Number(id))?.error) ?? error
  }
}

/** Instantiates it by hand: importing WebAssembly as a module prints a warning. */
async function load (): Promise<Glue> {
  const require = createRequire(import.meta.url)
  const folder = dirname(require.resolve('@prisma/schema-engine-wasm'))
  const glue = await import('@prisma/schema-engine-wasm/schema_engine_bg' as string) as Glue
  const bytes = await readFile(join(folder, 'schema_engine_bg.wasm'))
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': glue })
  glue.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
  return glue
}

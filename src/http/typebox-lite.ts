/**
 * Builders of route schemas, with the types of TypeBox. Schemas are plain JSON and need twenty lines; the library would
 * add 370 modules to every start and eight megabytes to every server.
 */
import type { Type as TypeBox } from 'typebox'

type Json = Record<string, unknown>

/** Optional members of objects. */
const optional = new WeakSet<Json>()

function mayBeAbsent (schema: Json): Json {
  const marked = { ...schema }
  optional.add(marked)
  return marked
}

function object (properties: Record<string, Json>, options?: Json): Json {
  const required = Object.keys(properties).filter(name => !optional.has(properties[name]!))
  return { type: 'object', ...(required.length > 0 ? { required } : {}), properties, ...options }
}

const builders = {
  Array: (items: Json, options?: Json) => ({ type: 'array', items, ...options }),
  Boolean: (options?: Json) => ({ type: 'boolean', ...options }),
  Enum: (values: readonly unknown[], options?: Json) => ({ enum: values, ...options }),
  Integer: (options?: Json) => ({ type: 'integer', ...options }),
  Literal: (value: unknown, options?: Json) => ({ type: typeof value, const: value, ...options }),
  Null: (options?: Json) => ({ type: 'null', ...options }),
  Number: (options?: Json) => ({ type: 'number', ...options }),
  Object: object,
  Optional: mayBeAbsent,
  Partial: ({ properties }: { properties: Record<string, Json> }) =>
    object(Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, mayBeAbsent(schema)]))),
  Record: ({ pattern = '^.*$' }: { pattern?: string }, values: Json, options?: Json) => ({
    type: 'object', patternProperties: { [pattern]: values }, ...options
  }),
  String: (options?: Json) => ({ type: 'string', ...options }),
  Union: (anyOf: readonly Json[], options?: Json) => ({ anyOf, ...options }),
  Unknown: (options?: Json) => ({ ...options }),
  Unsafe: (schema: Json) => schema,
  With: (schema: Json, options: Json) =>
    optional.has(schema) ? mayBeAbsent({ ...schema, ...options }) : { ...schema, ...options }
}

export const Type = builders as unknown as Pick<typeof TypeBox, keyof typeof builders>
